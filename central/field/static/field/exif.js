// The capture time of a JPEG, read from its EXIF (CIPA DC-008) and written into one that a canvas made without it.

const EXIF_IFD = 0x8769;
const DATE_TIME_ORIGINAL = 0x9003;
const OFFSET_TIME_ORIGINAL = 0x9011;

/** UTC milliseconds at which the photo was taken, or null. A time without a zone is in the phone's own. */
export function takenAt(buffer) {
  try {
    const tiff = findTiff(new DataView(buffer));
    if (!tiff) return null;
    const little = tiff.getUint16(0) === 0x4949;
    const pointer = entry(tiff, tiff.getUint32(4, little), EXIF_IFD, little);
    if (pointer === null) return null;
    const ifd = tiff.getUint32(pointer + 8, little);
    const text = ascii(tiff, entry(tiff, ifd, DATE_TIME_ORIGINAL, little), little);
    const found = /^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)/.exec(text);
    if (!found) return null;
    const [, year, month, day, hour, minute, second] = found;
    const offset = /^[+-]\d\d:\d\d/.exec(ascii(tiff, entry(tiff, ifd, OFFSET_TIME_ORIGINAL, little), little));
    const taken = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${offset ? offset[0] : ""}`);
    return Number.isNaN(taken) ? null : taken;
  } catch (error) {
    if (error instanceof RangeError) return null; // cut short
    throw error;
  }
}

/** The JPEG with an EXIF part that holds this time, in UTC. */
export function withTakenAt(jpeg, takenMs) {
  const iso = new Date(takenMs).toISOString();
  const date = `${iso.slice(0, 10).replaceAll("-", ":")} ${iso.slice(11, 19)}\0`;
  const zone = "+00:00\0";
  const part = new DataView(new ArrayBuffer(94));
  let at = 0;
  const short = (value) => (part.setUint16(at, value), (at += 2));
  const long = (value) => (part.setUint32(at, value), (at += 4));
  const text = (value) => [...value].forEach((letter) => part.setUint8(at++, letter.charCodeAt(0)));
  short(0xffe1);
  short(92); // all that follows the marker
  text("Exif\0\0");
  text("MM");
  short(42);
  long(8);
  short(1); // first directory: one pointer
  short(EXIF_IFD), short(4), long(1), long(26);
  long(0);
  short(2); // the EXIF directory
  short(DATE_TIME_ORIGINAL), short(2), long(date.length), long(56);
  short(OFFSET_TIME_ORIGINAL), short(2), long(zone.length), long(76);
  long(0);
  text(date);
  text(zone);
  return new Blob([jpeg.slice(0, 2), part.buffer, jpeg.slice(2)], { type: "image/jpeg" });
}

function findTiff(view) {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 4 <= view.byteLength; ) {
    const marker = view.getUint16(at);
    const size = view.getUint16(at + 2);
    if (marker === 0xffda || marker >> 8 !== 0xff || size < 2) return null;
    if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) {
      return new DataView(view.buffer, view.byteOffset + at + 10, size - 8);
    }
    at += 2 + size;
  }
  return null;
}

function entry(tiff, directory, tag, little) {
  const count = tiff.getUint16(directory, little);
  for (let number = 0; number < count; number += 1) {
    const at = directory + 2 + 12 * number;
    if (tiff.getUint16(at, little) === tag) return at;
  }
  return null;
}

function ascii(tiff, at, little) {
  if (at === null) return "";
  const length = tiff.getUint32(at + 4, little);
  const start = length <= 4 ? at + 8 : tiff.getUint32(at + 8, little);
  let text = "";
  for (let number = 0; number < Math.min(length, 40); number += 1) {
    text += String.fromCharCode(tiff.getUint8(start + number));
  }
  return text;
}
