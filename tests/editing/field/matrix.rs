use std::fmt;
use std::ops::{Add, Mul};

/// A matrix of numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    pub fn zero(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.columns + column] = value;
    }

    pub fn transposed(&self) -> Self {
        let mut out = Self::zero(self.columns, self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                out.set(column, row, self.at(row, column));
            }
        }
        out
    }
}

impl Add for &Matrix {
    type Output = Matrix;

    fn add(self, other: Self) -> Matrix {
        assert_eq!((self.rows, self.columns), (other.rows, other.columns));
        let mut out = self.clone();
        for (value, more) in out.values.iter_mut().zip(&other.values) {
            *value += more;
        }
        out
    }
}

impl Mul<f64> for &Matrix {
    type Output = Matrix;

    fn mul(self, factor: f64) -> Matrix {
        let mut out = self.clone();
        for value in &mut out.values {
            *value *= factor;
        }
        out
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in 0..self.rows {
            for column in 0..self.columns {
                write!(f, "{:>8.3}", self.at(row, column))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
