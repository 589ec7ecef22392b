# Puts groups and people into a stopped Samba domain: users.py DIRECTORY < people.json
# All in one process, because samba-tool takes a second for each.
import json
import sys
import time

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

directory, people = sys.argv[1], json.load(sys.stdin)
lp = LoadParm()
lp.load(directory + "/etc/smb.conf")
db = SamDB(url=directory + "/private/sam.ldb", session_info=system_session(), lp=lp)


def replace(dn, attribute, value, controls=None):
    message = ldb.Message(ldb.Dn(db, dn))
    message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    db.modify(message, controls=controls or [])


def group_dn(name):
    # newgroup and add_remove_group_members cannot do with a comma in a name.
    dn = ldb.Dn(db, "CN=Users," + str(db.domain_dn()))
    dn.add_child("CN=x")
    dn.set_component(0, "CN", name)
    return str(dn)


def add_member(group, dn):
    message = ldb.Message(ldb.Dn(db, group_dn(group)))
    message["member"] = ldb.MessageElement(dn, ldb.FLAG_MOD_ADD, "member")
    db.modify(message)


if people["Lockout"]:
    replace(str(db.domain_dn()), "lockoutThreshold", str(people["Lockout"]))
for group in people["Groups"] or []:
    db.add({"dn": group_dn(group["Name"]), "objectClass": "group", "sAMAccountName": group["Account"] or group["Name"]})
for group in people["Groups"] or []:
    for above in group["MemberOf"] or []:
        add_member(above, group_dn(group["Name"]))
for user in people["Users"] or []:
    name, mine = user["Name"], "(sAMAccountName=%s)" % ldb.binary_encode(user["Name"])
    db.newuser(name, user["Password"], givenname=name.capitalize(), surname="Test",
               mailaddress=user["Mail"] or None, useusernameascn=True)
    dn = "CN=%s,CN=Users,%s" % (name, db.domain_dn())
    if user["UPN"]:
        replace(dn, "userPrincipalName", user["UPN"])
    for group in user["Groups"] or []:
        add_member(group, dn)
    state = user["State"]
    if state == "disabled":
        db.disable_account(mine)
    elif state == "must_change":
        db.setpassword(mine, user["Password"], force_change_at_next_login=True)
    elif state == "expired":
        replace(dn, "accountExpires", "1")  # 1601
    elif state == "password_expired":
        # Samba ignores an age below a day, so the password is made older than two.
        db.add({
            "dn": "CN=%s,CN=Password Settings Container,CN=System,%s" % (name, db.domain_dn()), "objectClass": "msDS-PasswordSettings",
            "msDS-PasswordSettingsPrecedence": "1", "msDS-PasswordReversibleEncryptionEnabled": "FALSE", "msDS-PasswordHistoryLength": "0",
            "msDS-PasswordComplexityEnabled": "TRUE", "msDS-MinimumPasswordLength": "7", "msDS-MinimumPasswordAge": "0",
            "msDS-MaximumPasswordAge": str(-2 * 86400 * 10**7), "msDS-LockoutThreshold": "0", "msDS-LockoutObservationWindow": "-600000000",
            "msDS-LockoutDuration": "-600000000", "msDS-PSOAppliesTo": dn})
        replace(dn, "pwdLastSet", str((int(time.time()) - 30 * 86400 + 11644473600) * 10**7), ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"])
    elif state:
        sys.exit("no state of an account is named " + state)
