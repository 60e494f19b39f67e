// Chromium, driven as a person drives it, signs in on the tenant's page.
// Environment: URL (where to begin), USER_NAME, PASSWORD, DONE (text that the
// last page shows), SCREENSHOT (a folder, optional), CHROMIUM (the program).
// The code of the authenticator app is asked for by a line "OTP" and read from
// standard input.
import readline from "node:readline/promises";
import { chromium } from "playwright-core";
import { demand, tell } from "./proxy.mjs";

const { URL: begin, USER_NAME, PASSWORD, DONE, SCREENSHOT, CHROMIUM, HTTPS_PROXY } = process.env;
const input = readline.createInterface({ input: process.stdin });

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  proxy: { server: HTTPS_PROXY, bypass: "localhost,127.0.0.1" },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await (await browser.newContext()).newPage();
const failures = [];
page.on("console", (m) => { if (m.type() === "error") failures.push(m.text()); });
const shoot = async (name) => { if (SCREENSHOT) await page.screenshot({ path: `${SCREENSHOT}/${name}.png` }); };

await page.goto(begin);
await page.fill("#login", USER_NAME);
await page.fill("#passwd", PASSWORD + "x");
await shoot("signin");
await page.click("#submit");
await page.waitForSelector("#error");
demand((await page.textContent("#error")).includes("AADSTS50126"), "a wrong password is refused");
await shoot("refused");
tell("OK refused");
await page.fill("#passwd", PASSWORD);
await page.click("#submit");
await page.waitForSelector("#otc");
tell("OTP");
await page.fill("#otc", (await input.question("")).trim());
await shoot("tfa");
await page.click("#submit");
await page.waitForFunction((done) => document.body.innerText.includes(done), DONE);
await shoot("done");
tell("OK signed in");
for (const f of failures) {
  console.error(f);
}
await browser.close();
process.exit(0);
