// How the dashboard is built: hashed names under assets/, and beside each file its gzip form, because
// browsers take nothing better over plain HTTP and the broker compresses nothing while it runs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync } from 'node:zlib'

import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

// Whose API the page has while it is being developed.
const BROKER = process.env.TERNMQ ?? 'http://127.0.0.1:18083'

function compressed(): Plugin {
  let out = ''
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      out = config.build.outDir
    },
    closeBundle() {
      for (const name of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue
        const path = join(out, name)
        const plain = readFileSync(path)
        const packed = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION })
        if (packed.length < plain.length) writeFileSync(`${path}.gz`, packed)
      }
    },
  }
}

export default defineConfig({
  plugins: [vue(), compressed()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    target: 'es2022',
    // The first with light-dark(), which the colours are made of.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // Inline scripts and data: styles would need a weaker Content-Security-Policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
  server: {
    // The page by Vite, everything else by a broker that runs here.
    proxy: {
      // The broker compares the page's Origin with the Host it was asked by, so that stays.
      '/api/': { target: BROKER, changeOrigin: false },
      '/status': { target: BROKER, changeOrigin: false },
      '^/mqtt$': { target: BROKER, changeOrigin: false, ws: true },
    },
  },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] },
})
