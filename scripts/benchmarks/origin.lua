-- The parts of an archive service that static files cannot play: latency, the tree hash of
-- exactly the answered range, and a WebDAV listing. Hashes are looked up, never computed here.

local origin = {}
local root = ngx.config.prefix()
local LEAF = 1048576
local tables = {}

-- Wait as long as the simulated network takes to the first byte.
function origin.wait()
    local seconds = tonumber(ngx.var.latency)
    if seconds > 0 then
        ngx.sleep(seconds)
    end
end

-- The digests of an output's tree by "first count" of their leaves. They are read once per worker,
-- and again when the file begins in another way: then another output has come under the same name.
local function nodes(name)
    local file = assert(io.open(root .. "hashes/" .. name))
    local head = file:read("*l")
    local known = tables[name]
    if not known or known.head ~= head then
        known = { head = head, found = {} }
        file:seek("set")
        for line in file:lines() do
            local span, digest = line:match("^(%d+ %d+) (%x+)$")
            known.found[span] = digest
        end
        tables[name] = known
    end
    file:close()
    return known.found
end

-- Add the header of Get Job Output, if the range is a node of the tree.
function origin.add_tree_hash(vault, job)
    local found = nodes(vault .. "/" .. job)
    local range = ngx.var.http_range
    local span = "0 0"
    if range then
        local first, last = range:match("^bytes=(%d+)%-(%d+)$")
        if not first or tonumber(first) % LEAF ~= 0 then
            return
        end
        local leaf = tonumber(first) / LEAF
        span = string.format("%d %d", leaf, math.ceil((tonumber(last) + 1) / LEAF) - leaf)
    end
    ngx.header["x-cas-sha256-tree-hash"] = found[span]
end

-- Count each connection once that carries an answer of this kind.
function origin.count_connection()
    local kind = ngx.var.kind
    if ngx.shared.connections:add(kind .. ngx.var.connection, 1) then
        ngx.shared.counters:incr("connections " .. kind, 1, 0)
    end
end

-- Count what was sent, for every client alike.
function origin.count()
    local counters = ngx.shared.counters
    local protocol = ngx.var.ssl_protocol
    if protocol then
        counters:incr("requests over " .. protocol .. " " .. ngx.var.ssl_cipher, 1, 0)
    end
    counters:incr("requests " .. ngx.var.request_method .. " " .. ngx.var.kind, 1, 0)
    counters:incr("bytes " .. ngx.var.kind, tonumber(ngx.var.body_bytes_sent), 0)
end

-- Answer with the counters, a line each.
function origin.counters()
    local counters = ngx.shared.counters
    for _, key in ipairs(counters:get_keys(0)) do
        ngx.say(key, "=", counters:get(key))
    end
end

-- Answer PROPFIND with the folder's listing, which was written as a file.
function origin.propfind(folder)
    local file = io.open(root .. "listings/" .. folder:gsub("/+$", "") .. ".xml", "rb")
    if not file then
        return ngx.exit(ngx.HTTP_NOT_FOUND)
    end
    local body = file:read("*a")
    file:close()
    ngx.status = 207
    ngx.header["Content-Type"] = "application/xml"
    ngx.header["Content-Length"] = #body
    ngx.print(body)
end

return origin
