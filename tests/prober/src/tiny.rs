//! The smallest program there is: says `succeeded ran` and ends. Hostile code carries its own.

/// A complete ELF file.
pub(crate) fn program() -> Vec<u8> {
    const SAYS: &[u8] = b"succeeded ran\n";
    const HEADERS: u8 = 64 + 56;
    let mut code = code();
    let text_at = u32::from(HEADERS) + u32::try_from(code.len()).unwrap_or_default();
    let base = 0x40_0000_u32;
    // The address of the text, where the code has a hole for it.
    if let Some(hole) = code.windows(4).position(|bytes| bytes == [0xaa; 4]) {
        code[hole..hole + 4].copy_from_slice(&(base + text_at).to_le_bytes());
    }
    let size = u64::from(HEADERS) + code.len() as u64 + SAYS.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2_u16, 62].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([u64::from(base) + u64::from(HEADERS), 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    file.extend([0, u64::from(base), u64::from(base), size, size, 0x1000].map(u64::to_le_bytes).concat());
    file.extend(code);
    file.extend(SAYS);
    file
}

/// `write(1, text, 14); exit_group(0)` for x86-64.
fn code() -> Vec<u8> {
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.extend([0xbe, 0xaa, 0xaa, 0xaa, 0xaa]); // mov esi, text
    code.extend([0xba, 14, 0, 0, 0]); // mov edx, 14
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 231, 0, 0, 0]); // mov eax, 231
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code
}
