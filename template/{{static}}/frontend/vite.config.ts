import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Writes a .br and a .gz beside each text file, so that no server has to compress it again for each reader. */
function precompress(): Plugin {
  const brotli = promisify(brotliCompress);
  const gz = promisify(gzip);
  return {
    name: "precompress",
    apply: "build",
    async writeBundle({ dir = "dist" }, bundle) {
      const names = Object.keys(bundle).filter((name) => /^assets\/.*\.(css|js|json|svg)$/.test(name));
      await Promise.all(
        names.map(async (name) => {
          const file = join(dir, name);
          const content = await readFile(file);
          await Promise.all([
            writeFile(`${file}.br`, await brotli(content)),
            writeFile(`${file}.gz`, await gz(content, { level: 9 })),
          ]);
        }),
      );
    },
  };
}

export default defineConfig({
  plugins: [precompress()],
  // Only what is imported gets into the build, under a name with a hash of its content: so all of it can be cached for ever.
  publicDir: false,
  build: {
    manifest: true,
    // The Content-Security-Policy allows no data: addresses.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["src/main.css", "src/main.ts"] },
  },
  server: {
    strictPort: true,
    // Pages come from the service, so what they import must name this server.
    origin: process.env.VITE_URL ?? "http://localhost:5173",
  },
  test: { environment: "happy-dom" },
});
