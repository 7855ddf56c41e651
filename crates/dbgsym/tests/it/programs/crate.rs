//! Names that Rust can make: generics, trait methods, closures.

mod outer {
    pub mod inner {
        #[inline(never)]
        pub fn plain(n: u32) -> u32 {
            std::hint::black_box(n + 1)
        }
    }

    #[inline(never)]
    pub fn generic<T: std::fmt::Debug>(value: T) -> String {
        format!("{value:?}")
    }
}

struct Meter(u32);

impl std::fmt::Display for Meter {
    #[inline(never)]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} m", self.0)
    }
}

fn main() {
    let closure = |n: u32| outer::inner::plain(n);
    println!("{} {} {}", Meter(closure(1)), outer::generic(2u8), outer::generic("x"));
}
