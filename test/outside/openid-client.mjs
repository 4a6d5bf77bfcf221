// A certified FAPI 2.0 relying party (npm openid-client) in the hub's place: discovery, PAR, the code flow with
// PKCE, private_key_jwt and DPoP, and one call with the token. It knows nothing of Kozamori but the two
// request parameters of its own. Lines of JSON come in and go out:
//   in  {issuer, client, key, redirect_uri, details, link_request, identity}   out {url}
//   in  {callback}                                                             out {scope, details}
//   in  {resource, body}                                                       out {status, body}
import { webcrypto } from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';
import * as oidc from 'openid-client';

// Node's resolver does not know names below .localhost (RFC 6761); browsers do.
function lookup(host, options, done) {
  if (!host.endsWith('.localhost')) return done(new Error(`${host} is not on this machine`));
  return options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
}

function fetchLocal(url, { method = 'GET', headers, body }) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(url), { method, headers: Object.fromEntries(new Headers(headers)), lookup }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve(new Response(parts.length > 0 ? Buffer.concat(parts) : null, {
        status: answer.statusCode,
        headers: Object.entries(answer.headers).flatMap(([k, v]) => [v].flat().map((one) => [k, one])),
      })));
    });
    request.on('error', reject);
    request.end(body instanceof URLSearchParams ? body.toString() : body);
  });
}

// Debian 12's Node 18 has these under other names.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

const given = await next();
const key = await crypto.subtle.importKey('jwk', given.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
const config = await oidc.discovery(new URL(given.issuer), given.client, undefined,
  oidc.PrivateKeyJwt({ key, kid: given.key.kid }),
  { algorithm: 'oauth2', execute: [oidc.allowInsecureRequests], [oidc.customFetch]: fetchLocal });
config[oidc.customFetch] = fetchLocal;

const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
const expectedState = oidc.randomState();
const url = await oidc.buildAuthorizationUrlWithPAR(config, {
  redirect_uri: given.redirect_uri,
  code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  authorization_details: given.details,
  link_request: given.link_request,
  identity: given.identity,
}, { DPoP });
say({ url: url.href });

const { callback } = await next();
const tokens = await oidc.authorizationCodeGrant(config, new URL(callback), { pkceCodeVerifier, expectedState }, undefined, { DPoP });
say({ scope: tokens.scope, details: tokens.authorization_details });

const { resource, body } = await next();
const answer = await oidc.fetchProtectedResource(config, tokens.access_token, new URL(resource), 'POST',
  JSON.stringify(body), new Headers({ 'content-type': 'application/json' }), { DPoP });
say({ status: answer.status, body: await answer.json() });
