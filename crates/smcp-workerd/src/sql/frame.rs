//! What the platform and a database's process say to each other: a length, a byte that says what it is, and the rest.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// The word that makes the binary the process of a database.
pub const SQL_WORD: &str = "__sql";
/// How frames and what is in them are to be read.
pub(super) const PROTOCOL: u32 = 1;
/// Its end of the socket.
pub(super) const SOCKET_FD: i32 = 3;
/// The name of the file in the folder of a database.
pub(crate) const FILE: &str = "db.sqlite";
/// Most bytes of what it is asked: a script to import.
pub(crate) const MAX_REQUEST: usize = 32 << 20;
/// Most bytes of what it answers.
pub(crate) const MAX_ANSWER: usize = 32 << 20;
/// The length before a frame; the byte that says what it is counts.
pub(super) const HEAD: usize = 4;

/// What a process is told first, and what it is to do from then on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// How both sides speak: the binary may have been replaced since the platform started.
    pub(super) protocol: u32,
    /// The folder of the file; none for a database in memory, which ends with the process.
    pub(super) folder: Option<PathBuf>,
    /// Most bytes that it may hold.
    pub(super) quota: u64,
    /// How long one request may take, in milliseconds.
    pub(super) request_ms: u64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Statements as D1's binding sends them; rows as arrays beside the names of their columns.
    Rows,
    /// The same; rows as objects.
    Objects,
    /// Everything as a script, in pieces.
    Dump,
    /// Running a script.
    Import,
}

impl Ask {
    const ALL: [Self; 4] = [Self::Rows, Self::Objects, Self::Dump, Self::Import];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Rows => b'r',
            Self::Objects => b'o',
            Self::Dump => b'd',
            Self::Import => b'i',
        }
    }

    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.byte() == byte)
    }
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Done: D1's answer, or the end of a dump.
    Done,
    /// Not done, in D1's form: nothing has changed.
    Refused,
    /// The file is damaged, in D1's form. The process ends.
    Damaged,
    /// A piece of a dump; more follows.
    Piece,
}

impl Tell {
    const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Damaged, Self::Piece];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Done => b'=',
            Self::Refused => b'-',
            Self::Damaged => b'!',
            Self::Piece => b'>',
        }
    }

    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tell| tell.byte() == byte)
    }
}

/// The beginning of a frame with so many bytes of its own.
pub(super) fn head(kind: u8, length: usize) -> io::Result<[u8; HEAD + 1]> {
    let length = u32::try_from(length + 1).map_err(io::Error::other)?.to_le_bytes();
    Ok([length[0], length[1], length[2], length[3], kind])
}

/// The length of what follows a head, its kind counted.
pub(super) fn length(head: [u8; HEAD], most: usize) -> io::Result<usize> {
    match usize::try_from(u32::from_le_bytes(head)) {
        Ok(length) if (1..=most + 1).contains(&length) => Ok(length),
        Ok(_) | Err(_) => Err(io::Error::other("a frame of a length that is not allowed")),
    }
}

/// Reads a frame; `None` when the other side is gone.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; HEAD];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = length(head, MAX_REQUEST)?;
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let mut body = vec![0; length - 1];
    from.read_exact(&mut body)?;
    Ok(Some((kind[0], body)))
}

/// Writes a frame.
pub(super) fn write(to: &mut impl Write, tell: Tell, body: &[u8]) -> io::Result<()> {
    to.write_all(&head(tell.byte(), body.len())?)?;
    to.write_all(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_and_never_longer_than_allowed() {
        let mut bytes = Vec::new();
        write(&mut bytes, Tell::Done, b"[]").unwrap();
        write(&mut bytes, Tell::Refused, b"").unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).unwrap(), Some((b'=', b"[]".to_vec())));
        assert_eq!(read(&mut from).unwrap(), Some((b'-', Vec::new())));
        assert_eq!(read(&mut from).unwrap(), None);
        for length in [0, u32::MAX] {
            assert!(read(&mut length.to_le_bytes().as_slice()).is_err());
        }
        assert!(read(&mut [5, 0, 0, 0, b'=', 1].as_slice()).is_err(), "cut off");
    }

    #[test]
    fn every_kind_has_a_byte_of_its_own() {
        for ask in Ask::ALL {
            assert_eq!(Ask::of_byte(ask.byte()), Some(ask));
        }
        for tell in Tell::ALL {
            assert_eq!(Tell::of_byte(tell.byte()), Some(tell));
        }
        assert!(Ask::of_byte(0).is_none() && Tell::of_byte(0).is_none());
    }
}
