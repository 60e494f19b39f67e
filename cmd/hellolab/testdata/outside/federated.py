# Microsoft's library for Python signs in to a federated tenant: it asks for the
# realm, for AD FS's metadata, there for an assertion, and redeems it. A refusal
# is remembered by the library for a while, so each try has a client of its own.
import sys

import msal
import requests

authority, client, user, password = sys.argv[1:]


def sign_in(typed):
    app = msal.PublicClientApplication(client, authority=authority, instance_discovery=False, http_client=requests.Session())
    return app.acquire_token_by_username_password(user, typed, ["https://graph.microsoft.com/User.Read"])


try:
    sign_in(password + "x")
except RuntimeError as e:
    print("OK refused" if "FailedAuthentication" in str(e) else e)

reply = sign_in(password)
print("OK", reply["id_token_claims"]["preferred_username"], len(reply["access_token"]) > 0)
