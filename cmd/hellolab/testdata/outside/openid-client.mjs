// openid-client against a served lab: discovery, code flow with PKCE, nonce and
// state, id token validation by the published keys, refresh, userinfo.
// Environment: AUTHORITY, CLIENT, USER_NAME, SCOPE.
import http from "node:http";
import * as client from "openid-client";
import { demand, tell } from "./proxy.mjs";

const { AUTHORITY, CLIENT, USER_NAME, SCOPE } = process.env;

const config = await client.discovery(new URL(AUTHORITY + "/v2.0"), CLIENT, undefined, client.None());
demand(config.serverMetadata().supportsPKCE(), "PKCE");
tell("OK discovery");

const callback = new Promise((resolve) => {
  const server = http.createServer((req, res) => {
    res.end("done");
    server.close();
    resolve(new URL(req.url, "http://localhost:" + port));
  });
  server.listen(0, "127.0.0.1");
  globalThis.server = server;
});
await new Promise((r) => globalThis.server.once("listening", r));
const port = globalThis.server.address().port;

const verifier = client.randomPKCECodeVerifier();
const nonce = client.randomNonce();
const state = client.randomState();
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: "http://localhost:" + port + "/",
  scope: "openid profile email offline_access " + SCOPE,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  nonce,
  state,
});
tell("BROWSE", url.href);
const tokens = await client.authorizationCodeGrant(config, await callback, {
  pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true,
});
const claims = tokens.claims();
demand(claims.preferred_username === USER_NAME && claims.nonce === nonce, "claims " + JSON.stringify(claims));
tell("OK code");

const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
demand(info.email === USER_NAME, "userinfo " + JSON.stringify(info));
tell("OK userinfo");

const next = await client.refreshTokenGrant(config, tokens.refresh_token);
demand(next.access_token && next.refresh_token !== tokens.refresh_token, "rotation");
tell("OK refresh");

try {
  await client.refreshTokenGrant(config, tokens.refresh_token);
  throw new Error("a used refresh token works again");
} catch (e) {
  demand(e.error === "invalid_grant", "reuse: " + e);
  tell("OK reuse");
}
process.exit(0);
