import type { ExchangeOptions } from '../../types/options.ts'

/**
 * nginx's defaults that differ from those of this gateway. Spread them into the options of `register` or `reply.scgi()`, in front of your own:
 * `{ ...nginxDefaults, upstreams }`. Frozen. Other differences remain (see docs/differences.md). Sizes are those of a
 * platform with memory pages of 4k.
 */
export const nginxDefaults = Object.freeze({
  defaultParams: 'nginx',
  forwarded: 'pass',
  buffering: Object.freeze({
    bufferSize: '4k',
    buffers: Object.freeze([8, '4k'] as const),
    busyBuffersSize: '8k',
    maxTempFileSize: '1g',
    tempFileWriteSize: '8k',
  } as const),
  internalRedirect: false,
  earlyHints: false,
  preserveHeaderCase: true,
  cacheRules: 'nginx',
} as const) satisfies ExchangeOptions
