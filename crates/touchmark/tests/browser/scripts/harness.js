// What the scripts have in common: a browser, steps that say where they failed, screenshots, and words with
// the test that started them, which alone can stop and start the plant.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [argumentsText, screenshots] = process.argv.slice(2);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Has the test do something to the plant, and waits for its answer.
async function ask(what) {
  process.stdout.write(`${JSON.stringify({ ask: what })}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`nobody answered "${what}"`);
  return JSON.parse(value);
}

async function shot(page, name) {
  const file = path.join(screenshots, `${name}.png`);
  await page.screenshot({ path: file });
  return file;
}

// Fails where axe finds a fault that it calls serious or critical. It runs in a world of its own, so that the
// page's content security policy stays as it is.
async function accessible(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", { contextId, expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  await evaluate(`${axe}; 0`);
  const violations = await evaluate("axe.run().then((found) => JSON.parse(JSON.stringify(found.violations)))");
  await session.detach();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  if (serious.length > 0) {
    const lines = serious.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join("\n")}`);
    throw new Error(`axe-core finds ${serious.length} serious faults at ${page.url()}:\n${lines.join("\n")}`);
  }
}

// Runs a script with a page of a new browser; `options` as playwright's newContext takes them.
async function browse(options, script) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Chromium's sandbox does not work for root, who runs tests in containers.
    chromiumSandbox: process.getuid() !== 0,
  });
  // Without motion, or axe would measure a colour on its way to another.
  const usual = { viewport: { width: 1280, height: 800 }, locale: "en-GB", reducedMotion: "reduce" };
  const context = await browser.newContext({ ...usual, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  let current = "opening";
  page.on("pageerror", (error) => { console.error(`error in the page during "${current}": ${error.message}`); process.exitCode = 1; });
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/.test(message.text())) {
      console.error(`refused by the page's policy during "${current}": ${message.text()}`);
      process.exitCode = 1;
    }
  });
  const step = async (name, body) => { current = name; await body(); };
  try {
    await script({ page, context, step, ask, accessible: () => accessible(page), shot: (name) => shot(page, name), arguments: JSON.parse(argumentsText) });
  } catch (error) {
    const file = await shot(page, `failed-${path.basename(process.argv[1], ".js")}`).catch(() => "no screenshot");
    console.error(`step "${current}" failed on "${await page.title().catch(() => "?")}" at ${page.url()}; see ${file}\n${error.stack}`);
    process.exitCode = 1;
  }
  await browser.close();
  process.stdin.destroy();
}

module.exports = { browse };
