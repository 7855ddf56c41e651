//! Tests of address arithmetic and display.

use super::*;

#[test]
fn display_is_windbgs_form() {
    assert_eq!(Address::new(0x7ffe_1234_5678).to_string(), "00007ffe`12345678");
    assert_eq!(format!("{:x}", Address::new(0x1f)), "1f");
}

#[test]
fn bias_round_trips_even_when_it_wraps() {
    let link = LinkAddress::new(0xffff_8000_0000_1000);
    let address = Address::new(0x5000);
    let bias = LoadBias::between(link, address);
    assert_eq!(link.to_address(bias), address);
    assert_eq!(address.to_link(bias), link);
}

#[test]
fn arithmetic_refuses_to_leave_the_address_space() {
    assert_eq!(Address::new(u64::MAX).checked_add(1), None);
    assert_eq!(Address::ZERO.checked_sub(1), None);
    assert_eq!(AddressRange::with_len(Address::new(u64::MAX), 2), None);
    assert_eq!(AddressRange::new(Address::new(2), Address::new(1)), None);
}

#[test]
fn ranges_contain_their_start_and_not_their_end() {
    let range = AddressRange::with_len(Address::new(0x10), 0x10).expect("in range");
    assert!(range.contains(Address::new(0x10)));
    assert!(!range.contains(Address::new(0x20)));
    assert_eq!(range.len_bytes(), 0x10);
    let next = AddressRange::with_len(Address::new(0x20), 1).expect("in range");
    assert_eq!(range.intersection(&next), None);
    let inner = AddressRange::with_len(Address::new(0x18), 0x100).expect("in range");
    assert_eq!(range.intersection(&inner).map(|both| both.len_bytes()), Some(8));
}
