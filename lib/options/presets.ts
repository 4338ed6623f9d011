import type { ExchangeOptions } from '../../types/options.ts'

/**
 * nginx's defaults where those of this gateway differ, to be spread into the options of `register` or of `reply.scgi()`, before your own:
 * `{ ...nginxDefaults, upstreams }`. Frozen. What nginx has no default for, and what is no option, stays as it is here. Sizes are those of a
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
