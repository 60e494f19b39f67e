// MSAL for Node against a served lab: password, device code, code with PKCE, and
// silent refresh. Environment: AUTHORITY, CLIENT, USER_NAME, PASSWORD, SCOPE, OTHER_SCOPE.
import { LogLevel, PublicClientApplication } from "@azure/msal-node";
import { demand, tell } from "./proxy.mjs";

const { AUTHORITY, CLIENT, USER_NAME, PASSWORD, SCOPE, OTHER_SCOPE } = process.env;
const scopes = [SCOPE];

function app() {
  return new PublicClientApplication({
    auth: { clientId: CLIENT, authority: AUTHORITY, knownAuthorities: [new URL(AUTHORITY).host] },
    system: { loggerOptions: { logLevel: LogLevel.Error, loggerCallback: (_, message) => console.error(message) } },
  });
}

function check(result, how) {
  demand(result.account.username === USER_NAME, `${how}: account ${result.account.username}`);
  const claims = JSON.parse(Buffer.from(result.accessToken.split(".")[1], "base64url"));
  demand(claims.upn === USER_NAME, `${how}: upn ${claims.upn}`);
  tell("OK", how);
}

const byPassword = app();
check(await byPassword.acquireTokenByUsernamePassword({ scopes, username: USER_NAME, password: PASSWORD }), "password");
try {
  await app().acquireTokenByUsernamePassword({ scopes, username: USER_NAME, password: PASSWORD + "x" });
  throw new Error("a wrong password signs in");
} catch (e) {
  demand(e.errorCode === "invalid_grant" && e.errorMessage.includes("AADSTS50126"), `wrong password: ${e.errorCode} ${e.errorMessage}`);
  tell("OK wrong password");
}

// Another scope is not in the cache: the refresh token gets it, without anybody.
const [account] = await byPassword.getTokenCache().getAllAccounts();
check(await byPassword.acquireTokenSilent({ scopes: [OTHER_SCOPE], account }), "silent");
check(await byPassword.acquireTokenSilent({ scopes, account, forceRefresh: true }), "refresh");

check(await app().acquireTokenByDeviceCode({
  scopes,
  deviceCodeCallback: (d) => tell("CODE", d.verificationUri, d.userCode),
}), "device code");

check(await app().acquireTokenInteractive({
  scopes,
  loginHint: USER_NAME,
  openBrowser: async (url) => tell("BROWSE", url),
  successTemplate: "done",
}), "interactive");

process.exit(0); // the library keeps a socket open
