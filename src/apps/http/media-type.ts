// Media types by the end of a file's name, as far as servers of a test cluster meet them.

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css',
  csv: 'text/csv',
  gif: 'image/gif',
  gz: 'application/gzip',
  htm: 'text/html',
  html: 'text/html',
  ico: 'image/vnd.microsoft.icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  py: 'text/x-python',
  sh: 'application/x-sh',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  txt: 'text/plain',
  xml: 'text/xml',
  zip: 'application/zip',
};

/** @param otherwise for ends that are not known */
export function mediaType(path: string, otherwise: string): string {
  const end = /\.([^./]+)$/.exec(path)?.[1] ?? '';
  return TYPES[end.toLowerCase()] ?? otherwise;
}
