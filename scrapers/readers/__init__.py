"""Small pure readers that the sites share.

text       plain text out of dirty text or HTML fragments
html       bytes to text by charset, to an lxml tree or a soup; text of an element
json_data  JSON without surprises: sizes, depth, safe look-ups
dates      any time a site writes -> aware UTC with its precision
numbers    "1,2 тыс.", "10.5M", "1 234" -> numbers
rating     stars of any scale -> 1..5 with the raw value kept
identity   ids and hashes made from content
walls      pages that are not the page: blocked, captcha, login, not found
"""
