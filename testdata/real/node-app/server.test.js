const assert = require('node:assert')
const test = require('node:test')
const { page } = require('./server.js')

test('names are escaped', () => {
  assert.match(page('<b>'), /Hello, &lt;b&gt;\. This page is fresh for 1 minute\./)
})
