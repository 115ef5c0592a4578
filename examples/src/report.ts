import { rename, writeFile } from 'node:fs/promises'
import { reportPage } from './report/page.js'
import type { ToldStory } from './story.js'

/** Writes the page; it appears under its name when it is complete. */
export async function writeReport(
  path: string,
  stories: readonly ToldStory[],
  footer: string,
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, reportPage(stories, footer))
  await rename(temporary, path)
}
