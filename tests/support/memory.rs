//! What stands in the memory of a process, read from outside as its administrator can.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use aho_corasick::AhoCorasick;

/// How much is read at once, and how much of it once more, so that nothing hides between two reads.
const CHUNK: usize = 1 << 20;
const OVERLAP: usize = 1 << 10;

/// The processes that a process started and that still run.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// How often each text is found in all memory that a process can read, as bytes or as UTF-16, which are the two ways in
/// which V8 keeps strings; and how many bytes were looked at.
pub fn count(process: u32, texts: &[&str]) -> (Vec<usize>, usize) {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let forms = texts.iter().flat_map(|text| [text.as_bytes().to_vec(), wide(text)]);
    let finder = AhoCorasick::new(forms).unwrap();
    let mut found = vec![0; texts.len()];
    let mut looked_at = 0;
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut buffer = vec![0; CHUNK + OVERLAP];
    for (start, end) in readable(process) {
        let mut at = start;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap().min(buffer.len());
            // A page may be gone by now, and some that are listed cannot be read at all.
            let read = memory.read_at(&mut buffer[..wanted], at).unwrap_or(0);
            for one in finder.find_overlapping_iter(&buffer[..read]) {
                found[one.pattern().as_usize() / 2] += 1;
            }
            looked_at += read;
            at += u64::try_from(CHUNK).unwrap();
        }
    }
    (found, looked_at)
}

/// The ranges of memory that a process may read.
fn readable(process: u32) -> Vec<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        rest.starts_with('r').then_some(())?;
        Some((number(start)?, number(end)?))
    };
    maps.lines().filter_map(range).collect()
}
