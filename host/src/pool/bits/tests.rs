use super::Bits;

#[test]
fn a_set_holds_what_was_put_into_it_and_nothing_else() {
    let mut bits: Bits = [3, 64, 9_999].into_iter().collect();
    assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 64, 9_999]);
    assert!(bits.contains(64) && !bits.contains(65) && !bits.contains(1 << 40));
    bits.set(64, false);
    bits.set(1 << 20, false);
    assert_eq!(bits.iter().collect::<Vec<_>>(), [3, 9_999]);
    assert!(!bits.is_empty() && Bits::default().is_empty());
}
