//! The least HTTP/1.1 client that a load generator needs: POST over one kept connection, TCP or Unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;

/// Longer than any answer takes; a connection that hangs is an error, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to connect to.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(String),
    Unix(PathBuf),
}

/// Both kinds of connection.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One kept connection.
pub(crate) struct Connection(BufReader<Box<dyn Stream>>);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    pub(crate) fn open(address: &Address) -> Result<Self> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp(host) => {
                let stream = TcpStream::connect(host).map_err(|error| format!("{host}: {error}"))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream =
                    UnixStream::connect(path).map_err(|error| format!("{}: {error}", path.display()))?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        };
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends what `request` made, and reads the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.0.get_mut().write_all(request)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| format!("no HTTP status in `{line}`"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        answer.body = self.body(&answer)?;
        Ok(answer)
    }

    fn body(&mut self, answer: &Answer) -> Result<Vec<u8>> {
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        let length = answer.header("content-length").unwrap_or("0").parse()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line()?.split(';').next().unwrap_or_default(), 16)?;
            let start = body.len();
            body.resize(start + size, 0);
            self.0.read_exact(&mut body[start..])?;
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err("the connection was closed in the middle of an answer".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A POST as it goes over the wire.
pub(crate) fn request(host: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::{Address, Connection, request};

    /// Both answers of a server that gives `first` and then `second` on one connection.
    fn exchange(first: &'static str, second: &'static str) -> [(u16, String); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        let asked = request("here", "/mcp", &[("A", "b")], "{}");
        let length = asked.len();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in [first, second] {
                let mut seen = vec![0; length];
                stream.read_exact(&mut seen).unwrap();
                assert_eq!(seen, b"POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nA: b\r\n\r\n{}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut connection = Connection::open(&address).unwrap();
        let answers = [&asked, &asked].map(|asked| {
            let answer = connection.send(asked).unwrap();
            (answer.status, String::from_utf8(answer.body).unwrap())
        });
        server.join().unwrap();
        answers
    }

    #[test]
    fn answers_of_known_and_unknown_length_follow_each_other() {
        let [chunked, plain] = exchange(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            "HTTP/1.1 401 No\r\ncontent-length: 4\r\n\r\nnope",
        );
        assert_eq!(chunked, (200, "abcde".to_owned()));
        assert_eq!(plain, (401, "nope".to_owned()));
    }
}
