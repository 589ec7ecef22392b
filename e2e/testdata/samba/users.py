# Puts groups and people into a Samba domain: users.py SMB_CONF SAM_LDB < people.json
# All in one process, because samba-tool takes a second for each.
import json
import sys
import time

import ldb
from samba import sd_utils
from samba.auth import system_session
from samba.crypto import md4_hash_blob
from samba.dcerpc import security
from samba.param import LoadParm
from samba.samdb import SamDB

configuration, database = sys.argv[1:]
people = json.load(sys.stdin)
lp = LoadParm()
lp.load(configuration)
db = SamDB(url=database, session_info=system_session(), lp=lp)
base = str(db.domain_dn())
DAY = 86400 * 10**9  # Go's nanoseconds
NEVER = str(-0x8000000000000000)
BYPASS_PASSWORD_HASH = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"
CHANGE_PASSWORD = "ab721a53-1e2f-11d0-9819-00aa0040529b"


def replace(dn, attribute, values, controls=None):
    message = ldb.Message(ldb.Dn(db, dn))
    message[attribute] = ldb.MessageElement(values, ldb.FLAG_MOD_REPLACE, attribute)
    db.modify(message, controls=controls or [])


def group_dn(name):
    # newgroup and add_remove_group_members cannot do with a comma in a name.
    dn = ldb.Dn(db, "CN=Users," + base)
    dn.add_child("CN=x")
    dn.set_component(0, "CN", name)
    return str(dn)


def add_member(group, dn):
    message = ldb.Message(ldb.Dn(db, group_dn(group)))
    message["member"] = ldb.MessageElement(dn, ldb.FLAG_MOD_ADD, "member")
    db.modify(message)


def ticks(nanoseconds):
    # A length of time in a directory is negative and in units of 100 ns.
    return str(-(nanoseconds // 100))


def lockout(policy):
    # As PasswordPolicy.Counting and Locking say.
    window = policy["Window"] or 30 * 60 * 10**9
    return ticks(window), ticks(max(window, policy["LockedFor"]))


def domain_policy(policy):
    window, duration = lockout(policy)
    for attribute, value in {
            "lockoutThreshold": str(policy["Lockout"]), "lockOutObservationWindow": window, "lockoutDuration": duration,
            "minPwdLength": str(policy["MinLength"]), "pwdHistoryLength": str(policy["History"]), "pwdProperties": str(int(policy["Complexity"])),
            "minPwdAge": ticks(policy["MinAge"]), "maxPwdAge": ticks(policy["MaxAge"]) if policy["MaxAge"] else NEVER}.items():
        replace(base, attribute, value)


def fine_policy(name, policy, applies_to, precedence):
    window, duration = lockout(policy)
    db.add({
        "dn": "CN=%s,CN=Password Settings Container,CN=System,%s" % (name, base), "objectClass": "msDS-PasswordSettings",
        "msDS-PasswordSettingsPrecedence": str(precedence), "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
        "msDS-PasswordHistoryLength": str(policy["History"]), "msDS-PasswordComplexityEnabled": str(policy["Complexity"]).upper(),
        "msDS-MinimumPasswordLength": str(policy["MinLength"]), "msDS-MinimumPasswordAge": ticks(policy["MinAge"]),
        "msDS-MaximumPasswordAge": ticks(policy["MaxAge"]) if policy["MaxAge"] else NEVER, "msDS-LockoutThreshold": str(policy["Lockout"]),
        "msDS-LockoutObservationWindow": window, "msDS-LockoutDuration": duration, "msDS-PSOAppliesTo": applies_to})


def age_password(dn, nanoseconds):
    past = int(time.time()) - nanoseconds // 10**9 + 11644473600
    replace(dn, "pwdLastSet", str(past * 10**7), [BYPASS_PASSWORD_HASH])


def forbid_change(dn):
    # What the administrator's window does: the right is denied to the account itself and to everybody.
    descriptors = sd_utils.SDUtils(db)
    sid = security.dom_sid(db.get_domain_sid())
    sddl = descriptors.read_sd_on_dn(dn).as_sddl(sid)
    for who in "PS", "WD":
        sddl = sddl.replace("(OA;;CR;%s;;%s)" % (CHANGE_PASSWORD, who), "")
    first = sddl.index("(", sddl.index("D:"))
    denied = "".join("(OD;;CR;%s;;%s)" % (CHANGE_PASSWORD, who) for who in ("PS", "WD"))
    descriptors.modify_sd_on_dn(dn, security.descriptor.from_sddl(sddl[:first] + denied + sddl[first:], sid))


def make_ou(path):
    # The units above come first.
    parts = path.split(",OU=")
    for i in range(len(parts) - 1, -1, -1):
        dn = "OU=" + ",OU=".join(parts[i:]) + "," + base
        try:
            db.add({"dn": dn, "objectClass": "organizationalUnit"})
        except ldb.LdbError as e:
            if e.args[0] != ldb.ERR_ENTRY_ALREADY_EXISTS:
                raise


def primary_group(dn, name):
    add_member(name, dn)
    sid = db.schema_format_value("objectSid", db.search(group_dn(name), ldb.SCOPE_BASE, attrs=["objectSid"])[0]["objectSid"][0])
    replace(dn, "primaryGroupID", sid.decode().rsplit("-", 1)[1])


def bring_into_state(state, name, dn, password):
    mine = "(sAMAccountName=%s)" % ldb.binary_encode(name)
    if state == "disabled":
        db.disable_account(mine)
    elif state == "must_change":
        db.setpassword(mine, password, force_change_at_next_login=True)
    elif state == "expired":
        replace(dn, "accountExpires", "1")  # 1601
    elif state == "password_expired":
        # Samba ignores an age below a day, so the password is made older than two.
        fine_policy(name, {"Lockout": 0, "Window": 0, "LockedFor": 0, "History": 0, "Complexity": True, "MinLength": 7, "MinAge": 0,
                           "MaxAge": 2 * DAY}, dn, 1)
        age_password(dn, 30 * DAY)
    elif state == "locked":
        replace(dn, "lockoutTime", str((int(time.time()) + 11644473600) * 10**7))
    elif state == "logon_hours":
        replace(dn, "logonHours", b"\0" * 21)
    elif state == "workstation":
        replace(dn, "userWorkstations", "PC1")
    elif state:
        sys.exit("no state of an account is named " + state)


def crowd(name, password, count):
    # A thousand in a second: one transaction, and none of the keys of Kerberos, which cost more than all the rest.
    secret = md4_hash_blob(password.encode("utf-16-le"))
    now = str((int(time.time()) + 11644473600) * 10**7)
    db.transaction_start()
    for i in range(count):
        one = "%s%04d" % (name, i)
        db.add({"dn": "CN=%s,CN=Users,%s" % (one, base), "objectClass": "user", "sAMAccountName": one, "userAccountControl": "512",
                "userPrincipalName": one + "@corp.example.test", "unicodePwd": secret, "pwdLastSet": now}, controls=[BYPASS_PASSWORD_HASH])
    db.transaction_commit()


if people["Policy"]:
    domain_policy(people["Policy"])
elif people["Lockout"]:
    replace(base, "lockoutThreshold", str(people["Lockout"]))
for group in people["Groups"] or []:
    db.add({"dn": group_dn(group["Name"]), "objectClass": "group", "sAMAccountName": group["Account"] or group["Name"]})
for group in people["Groups"] or []:
    for above in group["MemberOf"] or []:
        add_member(above, group_dn(group["Name"]))
users = {}
for user in people["Users"] or []:
    name = user["Name"]
    unit = "OU=" + user["OU"] if user["OU"] else None
    if unit:
        make_ou(user["OU"])
    db.newuser(name, user["Password"], givenname=name.capitalize(), surname="Test",
               mailaddress=user["Mail"] or None, useusernameascn=True, userou=unit)
    dn = users[name] = "CN=%s,%s,%s" % (name, unit or "CN=Users", base)
    if user["UPN"]:
        replace(dn, "userPrincipalName", user["UPN"])
    if user["Proxies"]:
        replace(dn, "proxyAddresses", user["Proxies"])
    for attribute, values in (user["Attributes"] or {}).items():
        replace(dn, attribute, values)
    for group in user["Groups"] or []:
        add_member(group, dn)
    if user["Primary"]:
        primary_group(dn, user["Primary"])
    if user["CannotChange"]:
        forbid_change(dn)
    if user["PasswordAge"]:
        age_password(dn, user["PasswordAge"])
for i, policy in enumerate(people["Fine"] or []):
    fine_policy(policy["Name"], policy, [users.get(who) or group_dn(who) for who in policy["AppliesTo"]], policy["Precedence"] or i + 10)
for user in people["Users"] or []:
    bring_into_state(user["State"], user["Name"], users[user["Name"]], user["Password"])
crowd(people["Crowd"]["Name"], people["Crowd"]["Password"], people["Crowd"]["Count"])
