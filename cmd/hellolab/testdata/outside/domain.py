# impacket at a domain controller: a ticket by password, one for LDAP with it,
# and a search. Its KDC is an address, and its ports are always AD's own.
import sys
from binascii import unhexlify

from impacket.krb5 import constants
from impacket.krb5.kerberosv5 import KerberosError, getKerberosTGS, getKerberosTGT
from impacket.krb5.types import Principal
from impacket.ldap import ldap, ldapasn1

kdc, host, domain, base, user, password = sys.argv[1:]
name = Principal(user, type=constants.PrincipalNameType.NT_PRINCIPAL.value)

try:
    getKerberosTGT(name, "wrong", domain, unhexlify(""), unhexlify(""), kdcHost=kdc)
except KerberosError as e:
    print("OK", e.getErrorString()[0])

tgt, cipher, old, session = getKerberosTGT(name, password, domain, unhexlify(""), unhexlify(""), kdcHost=kdc)
service = Principal("ldap/" + host, type=constants.PrincipalNameType.NT_SRV_INST.value)
getKerberosTGS(service, domain, kdc, tgt, cipher, session)
print("OK ticket")

connection = ldap.LDAPConnection("ldap://" + host, base, kdc)
connection.kerberosLogin(user, password, domain, kdcHost=kdc, useCache=False)
for entry in connection.search(searchFilter="(sAMAccountName=bo)", attributes=["userPrincipalName"]):
    if isinstance(entry, ldapasn1.SearchResultEntry):
        print("OK", [str(v) for a in entry["attributes"] for v in a["vals"]][0])
