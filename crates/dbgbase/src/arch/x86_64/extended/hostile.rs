//! What must hold for any area and any layout, which come from peers: nothing panics or grows, a
//! patch changes what it names, and writing what is there changes no register. Tests replay made
//! inputs through this; a fuzz target compiles this very file.

use super::xsave::XsaveComponent;
use super::*;

/// Bytes to put somewhere in an area.
type Patch<'a> = (u32, &'a [u8]);

/// Reads a case off the front of `bytes`: a layout, patches, and an area.
///
/// ```text
/// xcr0 8 │ n 1 │ n times: feature 1, offset 4, size 4
///        │ m 1 │ m times: offset 4, len 1, bytes       │ area
/// ```
fn case(bytes: &[u8]) -> Option<(XsaveLayout, Vec<Patch<'_>>, &[u8])> {
    let mut rest = bytes;
    let mut take = |len: usize| {
        let (head, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some(head)
    };
    let xcr0 = u64::from_le_bytes(take(8)?.try_into().ok()?);
    let mut components = Vec::new();
    for _ in 0..take(1)?[0] % 16 {
        components.push(XsaveComponent {
            feature: take(1)?[0],
            offset: u32::from_le_bytes(take(4)?.try_into().ok()?),
            size_bytes: u32::from_le_bytes(take(4)?.try_into().ok()?),
        });
    }
    let mut patches = Vec::new();
    for _ in 0..take(1)?[0] % 16 {
        let offset = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let len = usize::from(take(1)?[0]);
        patches.push((offset, take(len)?));
    }
    Some((XsaveLayout::new(xcr0, components), patches, rest))
}

/// A layout, patches and an area, as [`case`] reads them.
pub(crate) fn check_area(bytes: &[u8]) {
    let Some((layout, patches, area)) = case(bytes) else { return };
    assert!(layout.used_len(area) <= area.len());
    check_patches(&layout, area, &patches);
    for register in ExtendedRegister::all() {
        let Some(value) = register.read(&layout, area) else { continue };
        assert_eq!(value.bytes().len(), register.size_bytes(), "{register:?}");
        let own = register.patches(&layout, area, &value);
        let own: Vec<Patch<'_>> = own.iter().map(|(at, new)| (*at, &new[..])).collect();
        let mut same = area.to_vec();
        // An area may be too short, or its MXCSR be none that a CPU has.
        if layout.patch(&mut same, own).is_ok() {
            assert_eq!(register.read(&layout, &same), Some(value), "{register:?}");
        }
    }
}

fn check_patches(layout: &XsaveLayout, area: &[u8], patches: &[Patch<'_>]) {
    let mut patched = area.to_vec();
    if layout.patch(&mut patched, patches.iter().copied()).is_err() {
        return;
    }
    assert_eq!(patched.len(), area.len());
    let (before, after) = (xsave::in_use(area), xsave::in_use(&patched));
    assert_eq!(before & !after, 0, "a component went out of use");
    if let Some((offset, bytes)) = patches.last() {
        let start = *offset as usize;
        assert!(bytes.is_empty() || patched.get(start..start + bytes.len()) == Some(*bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layout with AVX and AVX-512, and an area in which some of it is in use.
    fn honest(in_use: u64, patches: &[Patch<'_>]) -> Vec<u8> {
        let mut bytes = 0xe7_u64.to_le_bytes().to_vec();
        let components: [(u8, u32, u32); 4] =
            [(2, 576, 256), (5, 1088, 64), (6, 1152, 512), (7, 1664, 1024)];
        bytes.push(components.len() as u8);
        for (feature, offset, size) in components {
            bytes.push(feature);
            bytes.extend(offset.to_le_bytes());
            bytes.extend(size.to_le_bytes());
        }
        bytes.push(patches.len() as u8);
        for (offset, new) in patches {
            bytes.extend(offset.to_le_bytes());
            bytes.push(new.len() as u8);
            bytes.extend(*new);
        }
        let mut area: Vec<u8> = (0..2688_u32).map(|index| (index * 7) as u8).collect();
        area[24..32].copy_from_slice(&[0x80, 0x1f, 0, 0, 0xff, 0xff, 0, 0]);
        area[512..520].copy_from_slice(&in_use.to_le_bytes());
        bytes.extend(area);
        bytes
    }

    #[test]
    fn every_register_can_be_written_as_it_is() {
        for in_use in [0, 1, 2, 3, 7, 0xe7, u64::MAX] {
            check_area(&honest(in_use, &[(576, &[1, 2, 3]), (160, &[4; 255])]));
        }
    }

    #[test]
    fn areas_and_layouts_of_peers_are_survived() {
        check_area(b"");
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) as usize % below
        };
        let edges = [0, 1, 0x7f, 0x80, 0xff];
        for _ in 0..2000 {
            let mut bytes = honest(random(256) as u64, &[(500, &[0; 20]), (u32::MAX, &[1, 2])]);
            // Mostly in what comes before the area.
            for _ in 0..random(8) {
                let reach = if random(2) == 0 { 80 } else { bytes.len() };
                let at = random(reach);
                bytes[at] = edges[random(edges.len())];
            }
            bytes.truncate(random(bytes.len()) + 1 + bytes.len() / 2);
            check_area(&bytes);
        }
    }
}
