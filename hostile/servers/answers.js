/** What every server under attack can be asked, beside what the harness asks. */
export function answersOf (http) {
  return {
    connections: () => new Promise(resolve => http.getConnections((_error, count) => resolve(count))),
    heap () {
      for (let times = 0; times < 4; times++) globalThis.gc()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    },
    polluted: () => 'polluted' in {}
  }
}
