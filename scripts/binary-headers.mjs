// Reads from the headers of an addon what it asks of the machine it will be loaded on, for Windows (PE) and macOS (Mach-O). Of Linux readelf tells.

/** The libraries that a PE file of x86-64 imports from with the names that it takes of each, what it shows, and how it may be loaded. */
export function readPe(bytes) {
  const header = bytes.readUInt32LE(0x3c); // "PE\0\0", the COFF header of 20 bytes, the optional header
  const optional = header + 24;
  if (bytes.toString('latin1', header, header + 4) !== 'PE\0\0' || bytes.readUInt16LE(optional) !== 0x20b)
    throw new Error('not a 64-bit PE file');
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, i) => {
    const at = optional + bytes.readUInt16LE(header + 20) + 40 * i;
    return { address: bytes.readUInt32LE(at + 12), size: bytes.readUInt32LE(at + 16), offset: bytes.readUInt32LE(at + 20) };
  });
  const place = (address) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size);
    return section.offset + address - section.address;
  };
  const text = (at) => bytes.toString('latin1', at, bytes.indexOf(0, at));
  const directory = (index) => bytes.readUInt32LE(optional + 112 + 8 * index);

  const imports = {};
  for (let at = directory(1) && place(directory(1)); at && bytes.readUInt32LE(at + 12) !== 0; at += 20) {
    const names = [];
    const list = bytes.readUInt32LE(at) || bytes.readUInt32LE(at + 16);
    for (let entry = place(list); ; entry += 8) {
      const value = bytes.readBigUInt64LE(entry);
      if (value === 0n) break;
      names.push(value >> 63n ? `#${value & 0xffffn}` : text(place(Number(value)) + 2)); // a number, or a hint of two bytes and a name
    }
    imports[text(place(bytes.readUInt32LE(at + 12)))] = names;
  }
  const shown = place(directory(0));
  const exported = Array.from({ length: bytes.readUInt32LE(shown + 24) }, (_, i) => {
    return text(place(bytes.readUInt32LE(place(bytes.readUInt32LE(shown + 32)) + 4 * i)));
  });
  const flags = bytes.readUInt16LE(optional + 70);
  return {
    machine: bytes.readUInt16LE(header + 4),
    imports,
    exported,
    randomAddress: (flags & 0x60) === 0x60, // HIGH_ENTROPY_VA and DYNAMIC_BASE
    noExecutableData: (flags & 0x100) !== 0, // NX_COMPAT
    system: `${bytes.readUInt16LE(optional + 48)}.${bytes.readUInt16LE(optional + 50)}`,
  };
}

/** The libraries of a Mach-O file of 64 bits, what it takes from each and from whoever loads it, what it shows, and the oldest macOS that it is for. */
export function readMachO(bytes) {
  if (bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error('not a Mach-O file of 64 bits');
  const libraries = [];
  let symbols;
  let system;
  let signed = false;
  for (let i = 0, at = 32; i < bytes.readUInt32LE(16); i++, at += bytes.readUInt32LE(at + 4)) {
    const word = (index) => bytes.readUInt32LE(at + 4 * index);
    const command = word(0) & 0x7fffffff;
    if ([0x0c, 0x18, 0x1f, 0x20].includes(command)) libraries.push(text(at + word(2))); // LC_LOAD_DYLIB and its kinds
    if (command === 0x02) symbols = { at: word(2), count: word(3), names: word(4) }; // LC_SYMTAB
    if (command === 0x32) system = `${word(3) >> 16}.${(word(3) >> 8) & 255}`; // LC_BUILD_VERSION
    if (command === 0x1d) signed = true; // LC_CODE_SIGNATURE
  }
  const imports = Object.fromEntries(libraries.map((name) => [name, []]));
  const ofLoader = []; // looked up in whatever is there
  const exported = [];
  for (let i = 0; i < symbols.count; i++) {
    const at = symbols.at + 16 * i;
    const kind = bytes[at + 4];
    if ((kind & 0xe0) !== 0 || (kind & 0x11) !== 1) continue; // of a debugger, or seen in this file alone
    const name = text(symbols.names + bytes.readUInt32LE(at)).replace(/^_/, '');
    const library = bytes[at + 7];
    if ((kind & 0x0e) !== 0) exported.push(name);
    else (imports[libraries[library - 1]] ?? ofLoader).push(name); // 0, 0xfe and 0xff name no library
  }
  return { processor: bytes.readUInt32LE(4), imports, ofLoader, exported, system, signed };

  function text(at) {
    return bytes.toString('latin1', at, bytes.indexOf(0, at));
  }
}
