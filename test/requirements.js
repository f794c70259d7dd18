// The tests run a real Redis and a real browser. This script finds them before anything else runs, installs them where
// it may, and otherwise says what is missing: a test is never left out because of the machine.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const OLDEST_REDIS = 7

const { CHROMIUM_PATH } = process.env

const missing = findMissing()
const packages = [...new Set(missing.flatMap(({ aptPackage }) => aptPackage ?? []))]
if (packages.length > 0 && mayInstall()) {
  install(packages)
  report(findMissing())
} else {
  report(missing)
}

/** @returns {Array<{ what: string, aptPackage?: string }>} */
function findMissing () {
  const missing = ['redis-server', 'redis-cli']
    .filter(name => majorVersionOf(name) < OLDEST_REDIS)
    .map(name => ({ what: `${name} ${OLDEST_REDIS}.0 or newer`, aptPackage: 'redis-server' }))
  if (CHROMIUM_PATH) {
    if (versionOf(CHROMIUM_PATH) === undefined) missing.push({ what: `a Chromium that starts at CHROMIUM_PATH (${CHROMIUM_PATH})` })
  } else if (!['chromium', 'chromium-browser', 'google-chrome'].some(versionOf)) {
    missing.push({ what: 'Chromium', aptPackage: 'chromium' })
  }
  if (versionOf('curl') === undefined) missing.push({ what: 'curl', aptPackage: 'curl' })
  return missing
}

/** @returns {number} 0 when it is not there */
function majorVersionOf (program) {
  const version = /(\d+)\.\d+\.\d+/.exec(versionOf(program) ?? '')
  return Number(version?.[1] ?? 0)
}

/** What the program says of itself. Being there is not enough: Ubuntu's chromium-browser may be a stub that only asks for a snap. */
function versionOf (program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout : undefined
}

function mayInstall () {
  return process.getuid?.() === 0 && isDebian() && versionOf('apt-get') !== undefined
}

function isDebian () {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

/** A failure is told by apt-get, and found by looking again. */
function install (packages) {
  console.log(`requirements: installing ${packages.join(' and ')}`)
  aptGet('update')
  aptGet('install', '-y', '--no-install-recommends', ...packages)
}

function aptGet (...args) {
  spawnSync('apt-get', ['-qq', ...args], { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

function report (missing) {
  if (missing.length === 0) {
    console.log('requirements: Redis, Chromium and curl are here')
    return
  }
  console.error(`The tests need ${missing.map(({ what }) => what).join(', and ')}. Install what is missing:

  Debian, Ubuntu   sudo apt-get update && sudo apt-get install redis-server chromium curl
                   (where Ubuntu has no package chromium: sudo snap install chromium)
  macOS            brew install redis curl && brew install --cask chromium
  Fedora           sudo dnf install redis chromium curl
  Alpine           sudo apk add redis chromium curl

A browser that is somewhere else is named by CHROMIUM_PATH, such as Google Chrome on macOS.`)
  process.exitCode = 1
}
