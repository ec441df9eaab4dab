const { createServer } = require('node:http')
const escapeHtml = require('escape-html')
const mime = require('mime')
const ms = require('ms')

/** The page that greets a visitor. */
function page(name) {
  return `<p>Hello, ${escapeHtml(name)}. This page is fresh for ${ms(60000, { long: true })}.</p>\n`
}

function answer(request, response) {
  const { searchParams } = new URL(request.url, 'http://localhost')
  response.setHeader('content-type', mime.getType('page.html'))
  response.end(page(searchParams.get('name') ?? 'world'))
}

if (require.main === module) createServer(answer).listen(Number(process.env.PORT ?? 8080))

module.exports = { page }
