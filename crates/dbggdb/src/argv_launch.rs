//! How LLDB starts programs: `A` with all words at once, what it says before it, and what it types
//! into them afterwards.

use bytes::Bytes;
use dbgwire::verbs::terminal::{INPUT_LEN_MAX, WriteTerminal};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::launch::Form;
use crate::session::{Handled, Reply, Session};

/// What starts the path of something that LLDB reads and writes on its own machine.
const TERMINALS: [&[u8]; 2] = [b"/dev/pts/", b"/dev/tty"];

impl Session {
    /// `ALENGTH,INDEX,DIGITS[,LENGTH,INDEX,DIGITS]...`: starts a program. It is asked afterwards
    /// how that went.
    ///
    /// **Cost**: one round trip, and the stop.
    pub(crate) fn packet_launch(&mut self, arguments: &[u8]) -> Handled {
        self.launching.command = Some(words(arguments)?);
        self.launching.form = Form::Exact;
        self.launching.trouble = None;
        let started = match self.launching.redirected.take() {
            Some(path) => Err(PacketError::message(format!(
                "programs cannot be started with {path} as a standard stream; start a shell that \
                 redirects it"
            ))),
            None => self.run(),
        };
        if let Err(error) = &started {
            self.launching.trouble = Some(error.to_string());
        }
        started.map(|()| Reply::Ok)
    }

    /// `qLaunchSuccess`: whether the program was started; if not, why, in plain words.
    pub(crate) fn packet_launch_success(&mut self, _: &[u8]) -> Handled {
        match &self.launching.trouble {
            None => Ok(Reply::Ok),
            // These bytes would be taken for framing.
            Some(trouble) => {
                Ok(Reply::from(format!("E{}", trouble.replace(['#', '$', '}', '*'], "?"))))
            }
        }
    }

    /// `QSetSTDIN:PATH`, in digits.
    pub(crate) fn packet_standard_input(&mut self, arguments: &[u8]) -> Handled {
        self.set_stream(0, arguments)
    }

    /// `QSetSTDOUT:PATH`, in digits.
    pub(crate) fn packet_standard_output(&mut self, arguments: &[u8]) -> Handled {
        self.set_stream(1, arguments)
    }

    /// `QSetSTDERR:PATH`, in digits.
    pub(crate) fn packet_standard_error(&mut self, arguments: &[u8]) -> Handled {
        self.set_stream(2, arguments)
    }

    /// What a standard stream of programs is to be. They get a terminal whose other side is the
    /// debugger's, so that a terminal of the debugger's machine is the same; or if that is wanted
    /// for all streams, nothing. A file is another thing.
    fn set_stream(&mut self, stream: usize, digits: &[u8]) -> Handled {
        let path = hex::bytes(digits).ok_or(PacketError::Malformed("a path in digits"))?;
        let is_silent = path == b"/dev/null";
        if let Some(silent) = self.launching.silent_streams.get_mut(stream) {
            *silent = is_silent;
        }
        let is_terminal = TERMINALS.iter().any(|terminal| path.starts_with(terminal));
        if !path.is_empty() && !is_silent && !is_terminal {
            self.launching.redirected = Some(String::from_utf8_lossy(&path).into_owned());
        }
        Ok(Reply::Ok)
    }

    /// `QEnvironment:NAME=VALUE`
    pub(crate) fn packet_plain_environment(&mut self, arguments: &[u8]) -> Handled {
        self.packet_environment(hex::encode(arguments).as_bytes())
    }

    /// `QLaunchArch:NAME`: the kind of CPU that programs are for.
    pub(crate) fn packet_launch_arch(&mut self, arguments: &[u8]) -> Handled {
        if arguments == b"x86_64" {
            return Ok(Reply::Ok);
        }
        let name = String::from_utf8_lossy(arguments).into_owned();
        Err(PacketError::message(format!("the server's machine runs x86_64, not {name}")))
    }

    /// `IDIGITS`: types bytes into the terminal of the process.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_input(&mut self, arguments: &[u8]) -> Handled {
        let bytes = hex::bytes(arguments).ok_or(PacketError::Malformed("bytes in digits"))?;
        if bytes.len() > INPUT_LEN_MAX {
            return Err(PacketError::TooLong(INPUT_LEN_MAX));
        }
        let (id, _) = self.current()?;
        let request = WriteTerminal { target: id.value() };
        self.client.send(&request, Bytes::from(bytes)).wait()?;
        Ok(Reply::Ok)
    }
}

/// The words of an `A` packet, the program first. Each has a length and an index, in decimal.
fn words(text: &[u8]) -> Result<Vec<Vec<u8>>, PacketError> {
    let malformed = PacketError::Malformed("lengths, indexes and words were expected");
    let mut words = Vec::new();
    let mut arguments = Arguments::new(text);
    while !arguments.rest().is_empty() {
        let decimal = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<usize>().ok();
        let len = decimal(arguments.until(b','));
        let index = decimal(arguments.until(b','));
        let digits = arguments.until(b',');
        let word = hex::bytes(digits).filter(|_| len == Some(digits.len()));
        let (Some(index), Some(word)) = (index, word) else { return Err(malformed) };
        if index != words.len() {
            return Err(malformed);
        }
        words.push(word);
    }
    if words.is_empty() { Err(malformed) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_come_with_length_and_index() {
        let read = words(b"6,0,2f6270,4,1,2d61,0,2,").expect("is well formed");
        assert_eq!(read, [&b"/bp"[..], b"-a", b""]);
        for text in ["", "6", "6,0", "6,0,2f62", "6,1,2f6270", "5,0,2f627", "x,0,2f", "4,0,zzzz"] {
            assert!(words(text.as_bytes()).is_err(), "{text}");
        }
    }
}
