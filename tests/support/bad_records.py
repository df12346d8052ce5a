"""Records of inventories that cannot be read."""

HASH = "ab" * 32
BAD_JSON = [
    *('{"ArchiveId": "b1", "Size": -1}', '{"Size": 5}', "5", "null", '["ArchiveId", "b2"]'),
    '{"ArchiveId": "b3", "Size": ' + "9" * 30 + "}",
    '{"ArchiveId": "b4", "Size": ' + "9" * 5000 + "}",
    '{"ArchiveId": "b5", "Size": 5x}',
    '{"ArchiveId": "b6", "ArchiveDescription": "\\x"}',
    '{"ArchiveId": "b7", "CreationDate": 20190412}',
    '{"ArchiveId": 8}',
    '{"ArchiveId": "b9", "X": ' + "[" * 5000 + "]" * 5000 + "}",
]
BAD_CSV = [
    "b1",
    "b2,x",
    f"b3,x,2019-04-12T08:15:30Z,-5,{HASH}",
    f"b4,x,2019-04-12T08:15:30Z,{'9' * 30},{HASH}",
    f"b5,x,2019-04-12T08:15:30Z,{'9' * 5000},{HASH}",
    f"b6,x,yesterday,5,{HASH}",
    f'b7,"x,2019-04-12T08:15:30Z,5,{HASH}',
    f'b8,x",2019-04-12T08:15:30Z,5,{HASH}',
    f"b9,x,2019-04-12T08:15:30Z,5,{HASH},more",
    "\x00\x01",
]
