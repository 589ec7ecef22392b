# Puts groups and people into a stopped Samba domain: users.py DIRECTORY < people.json
# All in one process, because samba-tool takes a second for each.
import json
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

directory, people = sys.argv[1], json.load(sys.stdin)
lp = LoadParm()
lp.load(directory + "/etc/smb.conf")
db = SamDB(url=directory + "/private/sam.ldb", session_info=system_session(), lp=lp)

for group in people["Groups"] or []:
    db.newgroup(group["Name"])
for group in people["Groups"] or []:
    for above in group["MemberOf"] or []:
        db.add_remove_group_members(above, [group["Name"]])
for user in people["Users"] or []:
    db.newuser(user["Name"], user["Password"], givenname=user["Name"].capitalize(), surname="Test",
               mailaddress=user["Mail"] or None, useusernameascn=True)
    for group in user["Groups"] or []:
        db.add_remove_group_members(group, [user["Name"]])
