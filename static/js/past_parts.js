// A long log is played in parts: the stretches of time that hold about so many bytes.
const PART_BYTES = 4 * 1024 * 1024;

// `activity` holds the bytes in equal pieces of the time from first_at to last_at.
export function partsOf({ first_at: first, last_at: last, activity }) {
  const width = Math.max(last - first, 1) / activity.length;
  const parts = [];
  let size = 0;
  let since = first;
  activity.forEach((bytes, index) => {
    if (size && size + bytes > PART_BYTES) {
      parts.push({ since, until: first + index * width });
      since = first + index * width;
      size = 0;
    }
    size += bytes;
  });
  parts.push({ since, until: last + 1 });
  return parts;
}
