// A real browser against the application `login`: the whole story, another site, a thief, and pictures of the page.
// Prints what was seen, as JSON.
//
// Usage: login.mjs CHROMIUM ADDRESS ADMIN_PASSWORD DIRECTORY_FOR_PICTURES
import { chromium } from "playwright-core";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";

const [executablePath, base, adminPassword, pictures] = process.argv.slice(2);
const seen = { pageErrors: [], overflow: [] };
const password = "correct horse battery staple";

// Another site: for a browser, 127.0.0.1 and localhost have nothing in common. Its forms send what would be JSON.
const form = (action, text) => `<form method="post" enctype="text/plain" action="${base}${action}">
  <input name='${text}, "x":"' value='"}'><button id="${action.split("/").pop()}">win</button></form>`;
const evil = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end(`<!doctype html><title>evil</title>
    ${form("/api/notes", '{"text":"from another site"')}
    ${form("/session/login", '{"username":"admin", "password":"guessed"')}
    ${form("/session/logout", "{")}`);
});
await once(evil.listen(0, "127.0.0.1"), "listening");
const evilUrl = `http://127.0.0.1:${evil.address().port}`;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  seen.version = browser.version();
  const open = async options => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on("pageerror", error => seen.pageErrors.push(error.message));
    await page.goto(base);
    await page.waitForSelector("#login-form:visible");
    return { context, page };
  };
  const signUp = async (page, name) => {
    await page.click("#show-signup");
    await page.fill("#signup-username", name);
    await page.fill("#signup-password", password);
    await page.click("#signup-submit");
    await page.waitForSelector("#countdown:visible");
  };
  const logIn = async (page, name, secret) => {
    await page.fill("#login-username", name);
    await page.fill("#login-password", secret);
    await page.click("#login-submit");
  };
  const claim = async (page, name) => (await page.textContent(`[data-claim=${name}] .value`)).trim();
  const answer = async (page, button, status) => {
    await page.click(button);
    await page.waitForFunction(status => document.querySelector("#answer-status").textContent === status, status);
    return Number(await page.textContent("#answer-status"));
  };
  const refreshed = (page, times) =>
    page.waitForFunction(n => Number(document.querySelector("#refresh-count").textContent) >= n, times);
  const refreshToken = async context =>
    (await context.cookies()).find(cookie => cookie.name === "__Host-refresh")?.value;

  // The story of one user.
  const { context, page } = await open({ viewport: { width: 1280, height: 800 } });
  await signUp(page, "bob");
  seen.header = { alg: JSON.parse(await page.textContent("#token-header [data-claim=alg] .value")) };
  seen.roles = JSON.parse(await claim(page, "roles"));
  seen.countdown = /^\d+:\d\d$/.test((await page.textContent("#countdown")).trim().split(" ")[0]);
  seen.allowed = await answer(page, "#try-allowed", "200");
  seen.forbidden = await answer(page, "#try-forbidden", "403");
  seen.anonymous = await answer(page, "#try-anonymous", "401");
  await page.fill("#note-text", "<b>milk</b>");
  await page.click("#note-submit");
  await page.waitForSelector("#notes li");
  seen.noteIsText = (await page.textContent("#notes li")).includes("<b>milk</b>");

  seen.cookies = Object.fromEntries((await context.cookies()).map(
    ({ name, httpOnly, secure, sameSite, path, domain }) => [name, { httpOnly, secure, sameSite, path, domain }]));
  seen.storage = await page.evaluate(() =>
    ({ cookie: document.cookie, local: localStorage.length, session: sessionStorage.length }));

  // The access token is replaced shortly before it expires, by the page itself.
  const [id, session, first] = [await claim(page, "jti"), await claim(page, "sid"), await refreshToken(context)];
  await refreshed(page, 1);
  await page.waitForFunction(id => document.querySelector("[data-claim=jti] .value").textContent.trim() !== id, id);
  seen.refresh = {
    sameSession: (await claim(page, "sid")) === session,
    otherRefreshToken: (await refreshToken(context)) !== first,
    stillAllowed: await answer(page, "#try-allowed", "200"),
  };
  await page.reload();
  await page.waitForSelector("#countdown:visible");
  seen.reload = (await claim(page, "sid")) === session;

  // Another site posts, with the user logged in.
  const notes = () => page.evaluate(async () => (await (await fetch("/api/notes")).json()).length);
  const before = await notes();
  seen.notesBefore = before;
  const other = await context.newPage();
  seen.otherSite = {};
  for (const target of ["notes", "login", "logout"]) {
    await other.goto(evilUrl);
    const [answered] = await Promise.all([other.waitForResponse(r => r.url().startsWith(base)), other.click(`#${target}`)]);
    seen.otherSite[target] = answered.status();
  }
  await other.close();
  seen.otherSite.changed = (await notes()) !== before || (await claim(page, "sid")) !== session;

  // A thief has copied the refresh token, and comes later than the next two.
  const stolen = await refreshToken(context);
  const thief = () => fetch(`${base}/session/refresh`, {
    method: "POST", body: "{}",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", cookie: `__Host-refresh=${stolen}` },
  });
  for (let times = 0; times < 2; times++) {
    const done = page.waitForResponse(`${base}/session/refresh`);
    await page.click("#refresh-button");
    await done;
    await page.waitForFunction(() => !document.querySelector("#refresh-button").disabled);
  }
  seen.thief = (await thief()).status;
  await page.click("#refresh-button");
  await page.waitForSelector("#login-form:visible");
  seen.sessionEnded = true;

  // Log in again, with a mistake first; then out, and nothing is left.
  await logIn(page, "bob", "not the password at all");
  await page.waitForSelector("#login-message:not(:empty)");
  seen.wrongPassword = (await page.textContent("#login-message")).trim();
  await logIn(page, "nobody-of-this-name", "not the password at all");
  await page.waitForFunction(() => !document.querySelector("#login-submit").disabled);
  seen.unknownUser = (await page.textContent("#login-message")).trim();
  await logIn(page, "bob", password);
  await page.waitForSelector("#countdown:visible");
  const kept = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  await page.click("#logout-button");
  await page.waitForSelector("#login-form:visible");
  seen.cookiesAfterLogout = (await context.cookies()).length;
  const headers = { cookie: kept, "sec-fetch-site": "same-origin" };
  seen.keptAccessToken = (await fetch(`${base}/api/notes`, { headers })).status;
  await context.close();

  // Pictures of the main states.
  for (const [name, width, height, colorScheme] of [["desktop", 1280, 800, "light"], ["phone", 390, 844, "dark"]]) {
    const { context, page } = await open({ viewport: { width, height }, colorScheme });
    const picture = async state => {
      seen.overflow.push(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth));
      await page.screenshot({ path: join(pictures, `${name}-${state}.png`), fullPage: true });
    };
    await picture("1-login");
    await page.click("#show-signup");
    await picture("2-signup");
    await page.click("#show-login");
    await page.reload();
    await page.waitForSelector("#login-form:visible");
    await signUp(page, `alice-${name}`);
    await page.fill("#note-text", "Milk and bread");
    await page.click("#note-submit");
    await page.waitForSelector("#notes li");
    await answer(page, "#try-forbidden", "403");
    await picture("3-forbidden");
    await page.click("#logout-button");
    await page.waitForSelector("#login-form:visible");
    await logIn(page, "admin", adminPassword);
    await page.waitForSelector("#users li");
    await answer(page, "#try-allowed", "200");
    await picture("4-admin");
    await context.close();
  }
} finally {
  await browser.close();
  evil.close();
}
console.log(JSON.stringify(seen));
