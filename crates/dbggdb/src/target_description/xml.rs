//! The target description's XML document (GDB manual, "Target Descriptions"). It knows types and
//! layout of the text, not where registers come from. Pure.

use std::fmt::Write as _;

use super::Register;

/// Flags and their bits: name, first bit, last bit.
type Fields = &'static [(&'static str, u8, u8)];

const EFLAGS: Fields = &[
    ("CF", 0, 0),
    ("", 1, 1),
    ("PF", 2, 2),
    ("AF", 4, 4),
    ("ZF", 6, 6),
    ("SF", 7, 7),
    ("TF", 8, 8),
    ("IF", 9, 9),
    ("DF", 10, 10),
    ("OF", 11, 11),
    ("NT", 14, 14),
    ("RF", 16, 16),
    ("VM", 17, 17),
    ("AC", 18, 18),
    ("VIF", 19, 19),
    ("VIP", 20, 20),
    ("ID", 21, 21),
];

const MXCSR: Fields = &[
    ("IE", 0, 0),
    ("DE", 1, 1),
    ("ZE", 2, 2),
    ("OE", 3, 3),
    ("UE", 4, 4),
    ("PE", 5, 5),
    ("DAZ", 6, 6),
    ("IM", 7, 7),
    ("DM", 8, 8),
    ("ZM", 9, 9),
    ("OM", 10, 10),
    ("UM", 11, 11),
    ("PM", 12, 12),
    ("FZ", 15, 15),
];

/// Vectors of 16 bytes: id, type of the elements, how many, name in the union.
const VECTORS: [(&str, &str, u8, &str); 8] = [
    ("v8bf16", "bfloat16", 8, "v8_bfloat16"),
    ("v8h", "ieee_half", 8, "v8_half"),
    ("v4f", "ieee_single", 4, "v4_float"),
    ("v2d", "ieee_double", 2, "v2_double"),
    ("v16i8", "int8", 16, "v16_int8"),
    ("v8i16", "int16", 8, "v8_int16"),
    ("v4i32", "int32", 4, "v4_int32"),
    ("v2i64", "int64", 2, "v2_int64"),
];

/// The features, in the order of their registers' numbers.
const FEATURES: [&str; 7] = ["core", "sse", "linux", "segments", "avx", "avx512", "pkeys"];

/// The whole document.
pub(super) fn document(registers: &[Register]) -> String {
    let mut text = String::from(concat!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n",
        "<architecture>i386:x86-64</architecture>\n<osabi>GNU/Linux</osabi>\n",
    ));
    for feature in FEATURES {
        let mut members = registers.iter().filter(|register| register.feature == feature);
        let Some(first) = members.next() else { continue };
        let _ = writeln!(text, "<feature name=\"org.gnu.gdb.i386.{feature}\">");
        types(&mut text, feature);
        for register in std::iter::once(first).chain(members) {
            reg(&mut text, register);
        }
        text.push_str("</feature>\n");
    }
    text.push_str("</target>\n");
    text
}

fn reg(text: &mut String, register: &Register) {
    let Register { name, number, len, kind, .. } = register;
    let bits = 8 * len;
    let group = match name.as_str() {
        "fctrl" | "fstat" | "ftag" | "fiseg" | "fioff" | "foseg" | "fooff" | "fop" => {
            " group=\"float\""
        }
        "orig_rax" => " group=\"system\"",
        "mxcsr" => " group=\"vector\"",
        _ => "",
    };
    let _ = writeln!(
        text,
        "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\"{group}/>"
    );
}

/// The types that a feature's registers have.
fn types(text: &mut String, feature: &str) {
    match feature {
        "core" => flags(text, "i386_eflags", EFLAGS),
        "sse" => {
            vectors(text);
            flags(text, "i386_mxcsr", MXCSR);
        }
        "avx512" => {
            text.push_str("<vector id=\"vec256\" type=\"uint128\" count=\"2\"/>\n");
            // The upper SSE registers; types are known in their own feature only.
            vectors(text);
        }
        _ => {}
    }
}

fn vectors(text: &mut String) {
    for (id, kind, count, _) in VECTORS {
        let _ = writeln!(text, "<vector id=\"{id}\" type=\"{kind}\" count=\"{count}\"/>");
    }
    text.push_str("<union id=\"vec128\">\n");
    for (id, _, _, name) in VECTORS {
        let _ = writeln!(text, "<field name=\"{name}\" type=\"{id}\"/>");
    }
    text.push_str("<field name=\"uint128\" type=\"uint128\"/>\n</union>\n");
}

fn flags(text: &mut String, id: &str, fields: Fields) {
    let _ = writeln!(text, "<flags id=\"{id}\" size=\"4\">");
    for (name, start, end) in fields {
        let _ = writeln!(text, "<field name=\"{name}\" start=\"{start}\" end=\"{end}\"/>");
    }
    text.push_str("</flags>\n");
}
