# One side of a GSS-API exchange by MIT Kerberos' library. Usage:
#   mit.py initiate krb5|spnego SPN flags | mit.py accept
# Every line of input is a command with arguments in hexadecimal ("-" is
# empty), every line of output its result.
import sys
import gssapi

KRB5 = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")


def context(args):
    if args[0] == "accept":
        return gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept"), usage="accept")
    name = gssapi.Name(args[2], name_type=gssapi.NameType.kerberos_principal)
    mech = SPNEGO if args[1] == "spnego" else KRB5
    return gssapi.SecurityContext(name=name, mech=mech, flags=int(args[3]), usage="initiate")


def run(ctx, command, args):
    args = [bytes() if a == "-" else bytes.fromhex(a) for a in args]
    if command == "step":
        out = ctx.step(args[0] if args[0] else None)
        return ("done " if ctx.complete else "more ") + ((out or b"").hex() or "-")
    if command in ("sign", "seal"):
        return "ok " + ctx.wrap(args[0], command == "seal").message.hex()
    if command == "unwrap":
        r = ctx.unwrap(args[0])
        return ("sealed " if r.encrypted else "signed ") + (r.message.hex() or "-")
    if command == "mic":
        return "ok " + ctx.get_signature(args[0]).hex()
    if command == "verify":
        ctx.verify_signature(args[0], args[1])
        return "ok -"
    if command == "peer":
        return "ok " + str(ctx.initiator_name).encode().hex()
    return "error unknown"


ctx = context(sys.argv[1:])
for line in sys.stdin:
    command, *args = line.split()
    try:
        print(run(ctx, command, args), flush=True)
    except gssapi.exceptions.GSSError as e:
        print("error", repr(str(e)), flush=True)
