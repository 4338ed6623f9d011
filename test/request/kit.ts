import type { RequestView } from '../../lib/request/params.ts'

/** A request of a client, as it is before its headers are known. */
export const VIEW: RequestView = {
  method: 'GET',
  uri: '/app/x?q',
  scriptName: '/app',
  pathInfo: '/x',
  documentUri: '/app/x',
  urlInfo: '/x',
  protocol: 'HTTP/1.1',
  scheme: 'https',
  host: 'shown.example',
  serverAddr: '10.0.0.1',
  serverPort: 443,
  remoteAddr: '192.0.2.1',
  remotePort: 1234,
  forwardedFor: '192.0.2.1',
  contentType: undefined,
  headers: {},
  rawHeaders: [],
}
