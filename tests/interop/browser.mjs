// A real browser against the examples `websocket` and `cookie`. Prints what its pages saw, as JSON.
//
// Usage: browser.mjs CHROMIUM PAGE_OF_THE_CHAT_WITH_TOKEN ADDRESS_OF_THE_BANK
import { chromium } from "playwright-core";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [executablePath, chat, bank] = process.argv.slice(2);
const seen = {};

// Another site: for a browser, 127.0.0.1 and localhost have nothing in common.
const evil = createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.end(`<!doctype html><title>evil</title><form method="post" action="${bank}/transfer"><button>win</button></form>`);
});
await once(evil.listen(0, "127.0.0.1"), "listening");
const evilUrl = `http://127.0.0.1:${evil.address().port}`;

// A profile that sends cookies with the requests of other sites too. By its defaults this browser keeps most of them
// back; it is not those that are tested.
const profile = mkdtempSync(join(tmpdir(), "tower-jwt-auth-"));
mkdirSync(join(profile, "Default"));
const preferences = { profile: { block_third_party_cookies: false, cookie_controls_mode: 0 } };
writeFileSync(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args });
try {
  seen.version = browser.browser()?.version() ?? "";
  const log = async (until, page) => {
    await page.waitForFunction(until => document.getElementById("log").textContent.includes(until), until);
    return (await page.textContent("#log")).trim().split("\n");
  };

  // The page of the example puts the token into a sub-protocol.
  const stays = await browser.newPage();
  await stays.goto(chat);
  await log("bob: hello", stays);
  const page = await browser.newPage();
  await page.goto(chat.split("#")[0]);
  seen.chatWithoutToken = await log("closed", page);

  // The bank, as its own site.
  const socket = url => page.evaluate(url => new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.onmessage = event => resolve(event.data);
    socket.onclose = () => resolve("closed");
  }), url);
  const bankSocket = `${bank.replace("http", "ws")}/socket`;
  await page.goto(bank);
  await page.click("text=log in");
  await log("/login 200", page);
  await page.click("text=transfer");
  seen.transfer = (await log("/transfer", page)).at(-1);
  seen.socket = await socket(bankSocket);

  // The bank, from the other site.
  await page.goto(evilUrl);
  const answered = page.waitForResponse(`${bank}/transfer`);
  await page.evaluate(url => fetch(url, { method: "POST", mode: "no-cors", credentials: "include" }), `${bank}/transfer`);
  seen.crossSiteFetch = (await answered).status();
  seen.crossSiteSocket = await socket(bankSocket);
  const [navigated] = await Promise.all([page.waitForResponse(`${bank}/transfer`), page.click("text=win")]);
  seen.crossSiteForm = navigated.status();

  // Meanwhile the token of the first page goes on to its end.
  seen.chat = await log("closed", stays);
} finally {
  await browser.close();
  evil.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify({ ...seen, evilUrl }));
