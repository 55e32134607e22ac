//! Whole numbers of any size, as counters need them: read, added, written in decimal.

/// A whole number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Never set for zero.
    is_negative: bool,
    /// Decimal digits as numbers, the lowest first, without zeros at the end.
    digits: Vec<u8>,
}

impl Decimal {
    /// Reads digits with an optional sign.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let start = digits.iter().take_while(|digit| **digit == b'0').count();
        let digits: Vec<u8> = digits[start..].iter().rev().map(|d| d - b'0').collect();
        Some(Self {
            is_negative: is_negative && !digits.is_empty(),
            digits,
        })
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        if self.is_negative == other.is_negative {
            return Self {
                is_negative: self.is_negative,
                digits: sum(&self.digits, &other.digits),
            };
        }
        let (larger, smaller) = if is_less(&self.digits, &other.digits) {
            (other, self)
        } else {
            (self, other)
        };
        let digits = difference(&larger.digits, &smaller.digits);
        Self {
            is_negative: larger.is_negative && !digits.is_empty(),
            digits,
        }
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let negated = Self {
            is_negative: !other.is_negative && !other.digits.is_empty(),
            digits: other.digits.clone(),
        };
        self.plus(&negated)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits: String = match self.digits.as_slice() {
            [] => "0".into(),
            digits => digits.iter().rev().map(|d| char::from(b'0' + d)).collect(),
        };
        f.pad_integral(!self.is_negative, "", &digits)
    }
}

fn is_less(a: &[u8], b: &[u8]) -> bool {
    (a.len(), a.iter().rev().cmp(b.iter().rev())) < (b.len(), std::cmp::Ordering::Equal)
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len().max(b.len()) + 1);
    let mut carry = 0;
    for place in 0..a.len().max(b.len()) {
        let total = a.get(place).unwrap_or(&0) + b.get(place).unwrap_or(&0) + carry;
        digits.push(total % 10);
        carry = total / 10;
    }
    if carry > 0 {
        digits.push(carry);
    }
    digits
}

/// `a` is not the smaller one.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(a.len());
    let mut borrow = 0;
    for (place, digit) in a.iter().enumerate() {
        let take = b.get(place).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < take);
        digits.push(digit + 10 * borrow - take);
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is a number"))
    }

    #[test]
    fn numbers_are_read_and_written() {
        let check = |text: &str, expected: &str| assert_eq!(decimal(text).to_string(), expected);
        check("0", "0");
        check("-0", "0");
        check("+007", "7");
        check("-120", "-120");
        for bad in ["", "+", "-", "+-1", "1.0", "0x1", " 1", "1_000"] {
            assert_eq!(Decimal::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_beyond_any_register() {
        let nines = "9".repeat(50);
        let power = format!("1{}", "0".repeat(50));
        assert_eq!(decimal(&nines).plus(&decimal("1")).to_string(), power);
        assert_eq!(decimal(&power).minus(&decimal("1")).to_string(), nines);
        assert_eq!(
            decimal("1").minus(&decimal(&power)).to_string(),
            format!("-{nines}")
        );
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_those_of_integers(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (decimal(&a.to_string()), decimal(&b.to_string()));
            let (a, b) = (i128::from(a), i128::from(b));
            prop_assert_eq!(x.plus(&y).to_string(), (a + b).to_string());
            prop_assert_eq!(x.minus(&y).to_string(), (a - b).to_string());
        }
    }
}
