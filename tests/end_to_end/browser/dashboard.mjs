// Opens an address in a real browser, waits for words on the terminal in it, presses keys, and tells what it saw.
import { createRequire } from "node:module"

const [folder, given] = process.argv.slice(2)
const { url, browser, steps } = JSON.parse(given)
const { chromium } = createRequire(`${folder}/package.json`)("playwright-core")

const running = await chromium.launch({ executablePath: browser, args: ["--no-sandbox"] })
try {
  const page = await running.newPage({ viewport: { width: 1280, height: 800 } })
  const requests = []
  const errors = []
  let shown = ""
  const decoder = new TextDecoder()
  page.on("request", (request) => requests.push(request.url()))
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()))
  page.on("pageerror", (error) => errors.push(String(error)))
  page.on("websocket", (socket) => {
    requests.push(socket.url())
    socket.on("framereceived", ({ payload }) => {
      shown += typeof payload === "string" ? payload : decoder.decode(payload)
    })
  })
  await page.goto(url)
  for (const { press, wait } of steps) {
    if (press) {
      shown = ""
      await page.keyboard.press(press)
    }
    for (const until = Date.now() + 60_000; !shown.includes(wait); await page.waitForTimeout(50)) {
      if (Date.now() > until) throw new Error(`no ${wait} in ${JSON.stringify(shown.slice(-2000))}`)
    }
  }
  console.log(JSON.stringify({ title: await page.title(), at: page.url(), requests, errors }))
} finally {
  await running.close()
}
