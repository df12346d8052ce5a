"""Runs commands of `aws`, each in a fork of this process: importing it takes longer than they do.

Each line of standard input is a JSON object with `arguments`, `output` and `errors`, two files. The
answer is the exit status.
"""

import json
import os
import sys

from awscli.clidriver import main

for line in sys.stdin:
    call = json.loads(line)
    child = os.fork()
    if child == 0:
        for stream, name in ((1, "output"), (2, "errors")):
            os.dup2(os.open(call[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC), stream)
        sys.argv = ["aws", *call["arguments"]]
        sys.exit(main())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout.write(f"{status}\n")
    sys.stdout.flush()
