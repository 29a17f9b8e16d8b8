"""What is shown of palindromes: tables, every number as CSV, a figure, one HTML page."""
