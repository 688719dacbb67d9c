// A folder of class folders becomes one ZIP archive (stored, not compressed) in the form's own file field.

const TABLE = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

function header(signature, fields) {
  const size = fields.reduce((sum, [width]) => sum + width, 4);
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return view.buffer;
}

async function pack(files) {
  const parts = [], directory = [];
  let offset = 0, directorySize = 0;
  for (const file of files) {
    const name = new TextEncoder().encode(file.webkitRelativePath || file.name);
    const bytes = new Uint8Array(await file.arrayBuffer());
    // version, flags (names are UTF-8), method, time, date, sum, packed and plain size, lengths
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, name.length], [2, 0]];
    const local = header(0x04034b50, common);
    const central = header(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]);
    parts.push(local, name, bytes);
    directory.push(central, name);
    offset += local.byteLength + name.length + bytes.length;
    directorySize += central.byteLength + name.length;
  }
  const count = directory.length / 2;
  const end = header(0x06054b50, [[2, 0], [2, 0], [2, count], [2, count], [4, directorySize], [4, offset], [2, 0]]);
  return new File([...parts, ...directory, end], "pictures.zip", { type: "application/zip" });
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const place = form.querySelector("[data-folder]");
  const archive = form.elements.namedItem("archive");
  if (!place || !archive) continue;
  const picker = place.querySelector("input"), said = place.querySelector("[data-said]");
  place.hidden = false;
  picker.addEventListener("change", async () => {
    const pictures = [...picker.files].filter((file) => /\.(png|jpe?g|gif|webp|bmp)$/i.test(file.name));
    if (pictures.reduce((sum, file) => sum + file.size, 0) > Number(form.dataset.limit)) {
      said.textContent = form.dataset.tooLarge;
      return;
    }
    said.textContent = form.dataset.packing;
    const carrier = new DataTransfer();
    carrier.items.add(await pack(pictures));
    archive.files = carrier.files;
    said.textContent = form.dataset.packed;
  });
}
