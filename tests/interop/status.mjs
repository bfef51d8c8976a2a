// A real browser against the status page of the example `observability`. Prints what was seen, as JSON.
//
// Usage: status.mjs CHROMIUM URL DIRECTORY_FOR_PICTURES NAME
import { chromium } from "playwright-core";
import { join } from "node:path";

const [executablePath, url, pictures, name] = process.argv.slice(2);
const seen = { complaints: [], requests: [], overflow: {}, scripts: 0 };

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const views = {
    light: { colorScheme: "light", viewport: { width: 1200, height: 900 } },
    dark: { colorScheme: "dark", viewport: { width: 1200, height: 900 } },
    phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
  };
  for (const [view, options] of Object.entries(views)) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on("pageerror", error => seen.complaints.push(error.message));
    // What the policy stops is told here.
    page.on("console", message => seen.complaints.push(message.text()));
    page.on("request", request => seen.requests.push(new URL(request.url()).pathname));
    const response = await page.goto(url);
    seen.status = response.status();
    seen.overflow[view] = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    seen.scripts += await page.locator("script").count();
    seen.heading = await page.textContent("h1");
    seen.state = await page.textContent("header .pill");
    seen[`${view}Background`] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.screenshot({ path: join(pictures, `status-${name}-${view}.png`), fullPage: view === "phone" });
    await context.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
