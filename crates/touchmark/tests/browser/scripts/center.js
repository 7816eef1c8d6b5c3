// An engineer at the center's console: overview, one device's life, a clone and its release, a request, a roll-out;
// then the same in Japanese and in the dark.
"use strict";

const assert = require("node:assert/strict");
const { browse } = require("./harness");

browse({}, async ({ page, step, accessible, shot, arguments: { console: url, name, password, code } }) => {
  const open = async (path) => { await page.goto(url + path); };
  const says = (text) => page.getByText(text).first().waitFor();
  const look = async (picture) => { await accessible(); await shot(picture); };

  await step("sign-in", async () => {
    await open("/sign-in");
    await page.fill("[name=name]", name);
    await page.fill("[name=password]", password);
    await page.fill("[name=code]", code);
    await page.keyboard.press("Enter");
    await says("Latest calls");
  });

  await step("the overview moves by itself", async () => {
    await page.waitForSelector("td a[href^='/devices/']", { timeout: 90_000 });
    const latest = () => page.locator("tbody tr td").first().textContent();
    const before = await latest();
    await page.waitForFunction((before) => document.querySelector("tbody tr td").textContent !== before, before, { timeout: 60_000 });
    await look("center-overview");
  });

  let device;
  await step("one device's life", async () => {
    device = await page.locator("td a[href^='/devices/']").first().textContent();
    await open("/devices");
    await page.fill("[type=search]", device);
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=/);
    await look("center-devices");
    await page.getByRole("link", { name: device, exact: true }).click();
    for (const text of ["Written and proved", "Registered at this center", "Certificate 1"]) await says(text);
    assert.match(await page.locator(".stages").textContent(), /gateway factory-e.*station line-/s);
    await look("center-life");
  });

  await step("a request", async () => {
    await page.locator("summary").filter({ hasText: "Ask something" }).click();
    await page.selectOption("[name=what]", "read-counters");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.waitForURL(/#requests/);
    await page.locator("td").filter({ hasText: "Read counters" }).first().waitFor();
  });

  await step("a clone is found and released", async () => {
    const evidence = page.locator("a[href^='/quarantine/']").first();
    for (let tries = 0; tries < 120 && (await evidence.count()) === 0; tries++) {
      await page.waitForTimeout(1_000);
      await open("/incidents");
    }
    await look("center-incidents");
    await evidence.click();
    await says("The call that does not follow it");
    await look("center-quarantine");
    await page.getByRole("button", { name: "Release from quarantine" }).click();
    await says("Released by entry");
  });

  await step("a roll-out", async () => {
    await open("/rollouts");
    await page.locator("summary").filter({ hasText: "Start a roll-out" }).click();
    await page.locator("[name=package]").selectOption({ label: "A123 1.1.0" });
    await page.fill("[name=share]", "100");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await says("Running");
    await look("center-roll-out");
    await page.getByRole("button", { name: "Halt" }).click();
    await says("halted by person:demo");
    await page.getByRole("button", { name: "Roll back" }).click();
    await says("back to 1.0.0");
  });

  await step("calls and an invoice", async () => {
    await open("/calls");
    await says("Calls by day and hour");
    await look("center-calls");
    await open("/invoices");
    await page.getByRole("button", { name: "Show the lines" }).click();
    await says("Journal entries");
    await look("center-invoice");
    await open("/intermediates");
    await look("center-intermediates");
  });

  await step("Japanese, in the dark", async () => {
    await page.getByRole("button", { name: "Dark" }).click();
    await page.waitForSelector("html[data-theme=dark]");
    await page.getByRole("button", { name: "日本語" }).click();
    await page.waitForSelector("html[lang=ja]");
    await open(`/devices/${device}`);
    await says("書込み・証明");
    await look("center-life-japanese-dark");
    await open("/calls");
    await look("center-calls-japanese-dark");
  });
});
