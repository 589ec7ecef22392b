// A sign-in with Duo's own client, at a stand-in for Duo: node signin.js CLIENT_ID CLIENT_SECRET HOST REDIRECT_URL VERDICT
// Presses the button of the prompt that has the verdict, and prints what Duo's client makes of the answer.
// NODE_EXTRA_CA_CERTS names the authority of the stand-in.
const https = require("node:https");
const { Client } = require("@duosecurity/duo_universal");

const [clientId, clientSecret, apiHost, redirectUrl, verdict] = process.argv.slice(2);

async function signIn() {
  const client = new Client({ clientId, clientSecret, apiHost, redirectUrl });
  client.axios.defaults.httpsAgent = https.globalAgent; // its own trusts the real Duo's authorities alone
  await client.healthCheck();
  const state = client.generateState();
  const prompt = await fetch(await client.createAuthUrl("ann", state));
  const id = /name="id" value="(\w+)"/.exec(await prompt.text())[1];
  const back = await fetch(`https://${apiHost}/prompt`, { method: "POST", redirect: "manual", body: new URLSearchParams({ id, verdict }) });
  const answer = new URL(back.headers.get("location")).searchParams;
  if (answer.get("state") !== state) throw new Error("another state came back");
  return client.exchangeAuthorizationCodeFor2FAResult(answer.get("duo_code"), "ann");
}

signIn().then(
  (token) => console.log(JSON.stringify({ user: token.preferred_username, result: token.auth_result.result })),
  (err) => {
    console.error(err);
    process.exit(1);
  },
);
