//! Calls of functions as text: what is called, and what came back.

use dbgeng::{CallArgument, CallResult, FunctionCall, SymbolAt};

/// What is going to be called.
pub(crate) fn call(symbol: Option<&SymbolAt>, call: &FunctionCall) -> String {
    let name = symbol.map_or_else(String::new, |symbol| format!("{symbol} "));
    let mut text = format!("Calling {name}at {}\n", call.address);
    for (index, argument) in call.arguments.iter().enumerate() {
        text.push_str(&match argument {
            CallArgument::Value(value) => format!("  argument {index}: 0x{value:x}\n"),
            CallArgument::Bytes(bytes) => {
                let string = String::from_utf8_lossy(bytes);
                format!("  argument {index}: \"{}\"\n", string.trim_end_matches('\0'))
            }
        });
    }
    text
}

/// What came back.
pub(crate) fn result(result: &CallResult, is_verbose: bool) -> String {
    let mut text = format!(".call returns:\nunsigned int64 0x{:x}\n", result.integer);
    if is_verbose {
        let CallResult { integer_high, .. } = result;
        let (double, single) = (result.double(), result.single());
        text.push_str(&format!(
            "  upper half 0x{integer_high:x}; as double {double:?}, as float {single:?}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::Address;

    #[test]
    fn calls_and_results_are_written() {
        let arguments = vec![CallArgument::Value(16), CallArgument::Bytes(b"some text\0".to_vec())];
        let function =
            FunctionCall { address: Address::new(0x401136), arguments, run_others: true };
        assert_eq!(
            call(None, &function),
            "Calling at 00000000`00401136\n  argument 0: 0x10\n  argument 1: \"some text\"\n"
        );
        let vector = [1.5f64.to_le_bytes(), [0; 8]].concat();
        let back = CallResult { integer: 42, integer_high: 0, vector };
        assert_eq!(result(&back, false), ".call returns:\nunsigned int64 0x2a\n");
        assert_eq!(
            result(&back, true),
            ".call returns:\nunsigned int64 0x2a\n  upper half 0x0; as double 1.5, as float 0.0\n"
        );
    }
}
