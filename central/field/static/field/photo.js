// Makes a photo small enough for a weak network while it stays readable, and keeps when it was taken.

import { takenAt, withTakenAt } from "./exif.js";

export const LONGEST_SIDE = 1600;
export const MOST_BYTES = 400 * 1024;

const QUALITIES = [0.86, 0.78, 0.7, 0.6];
const SMALLEST_SIDE = 800;

/**
 * A JPEG of at most 1600 pixels and about 400 kB with its capture time, as a Blob.
 * A file that the browser cannot decode (HEIC) or that is small already goes as it is; the centre looks at it.
 */
export async function shrink(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  try {
    const longest = Math.max(picture.width, picture.height);
    if (file.type === "image/jpeg" && file.size <= MOST_BYTES && longest <= LONGEST_SIDE) return file;
    const taken = takenAt(await file.slice(0, 256 * 1024).arrayBuffer()) ?? file.lastModified ?? Date.now();
    let jpeg = null;
    for (let side = LONGEST_SIDE; side >= SMALLEST_SIDE; side = Math.round(side * 0.8)) {
      const canvas = drawn(picture, Math.min(1, side / longest));
      for (const quality of QUALITIES) {
        jpeg = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
        if (jpeg && jpeg.size <= MOST_BYTES) return withTakenAt(jpeg, taken);
      }
    }
    return jpeg ? withTakenAt(jpeg, taken) : file;
  } finally {
    picture.close();
  }
}

/** A small canvas of a photo, for the list of what waits; null where the browser cannot decode it. */
export async function preview(blob, side = 160) {
  try {
    const picture = await createImageBitmap(blob, { imageOrientation: "from-image" });
    const canvas = drawn(picture, side / Math.max(picture.width, picture.height));
    picture.close();
    return canvas;
  } catch {
    return null;
  }
}

function drawn(picture, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // what is transparent is paper
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}
