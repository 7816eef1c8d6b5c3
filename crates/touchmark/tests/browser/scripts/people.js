// People at a console: signing in with a password and the code of an authenticator app.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");

// The code of RFC 6238 that an app shows now.
function codeOf(address) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const base32 = new URL(address).searchParams.get("secret");
  const bits = [...base32].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = crypto.createHmac("sha1", key).update(step).digest();
  const number = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

// Signs in by keyboard alone.
async function signIn(page, url, person, code = codeOf(person.secondFactor)) {
  await page.goto(url);
  await page.locator("[name=name]").focus();
  for (const typed of [person.name, person.password, code]) {
    await page.keyboard.type(typed);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
}

// Looks at each page in turn: it has a heading and no serious fault, and its picture is kept.
async function lookAt({ page, accessible, shot }, url, name, paths) {
  for (const path of paths) {
    const answer = await page.goto(url + path);
    assert.equal(answer.status(), 200, path);
    await page.locator("h1").waitFor();
    await accessible();
    await shot(`${name}${path === "/" ? "" : path.replaceAll("/", "-")}`);
  }
}

module.exports = { codeOf, lookAt, signIn };
