/** Finds bank account numbers (IBAN) by country, length and check digits, with or without blanks. */
import type { PatternRange } from '../pattern.ts'

/** How many characters an IBAN of each country has, by ISO 13616's register. */
const LENGTHS: Record<string, number> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 ' +
    'DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 ' +
    'IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 ' +
    'MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 ' +
    'SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map(entry => [entry.slice(0, 2), Number(entry.slice(2))]),
)

const START = /(?<![A-Za-z0-9])[A-Z]{2}\d{2}/g

/** Ranges of account numbers in a text. Linear: from each start at most 66 characters are read. */
export function findIbans(text: string): PatternRange[] {
  const ranges: PatternRange[] = []
  START.lastIndex = 0
  for (;;) {
    const match = START.exec(text)
    if (!match) return ranges
    const length = LENGTHS[match[0].slice(0, 2)]
    if (length === undefined) continue
    let number = ''
    let at = match.index
    while (number.length < length) {
      const char = text.charAt(at)
      if (/[A-Z0-9]/.test(char)) number += char
      else if ((char !== ' ' && char !== '-') || !/[A-Z0-9]/.test(text.charAt(at + 1))) break
      at++
    }
    if (number.length < length || /[A-Za-z0-9]/.test(text.charAt(at)) || !isValid(number)) continue
    ranges.push({ start: match.index, end: at })
    START.lastIndex = at
  }
}

/** The first four characters moved to the end, letters as 10 to 35, leave 1 when divided by 97. */
function isValid(number: string): boolean {
  let rest = 0
  for (const char of number.slice(4) + number.slice(0, 4)) {
    const digit = Number.parseInt(char, 36)
    rest = (digit > 9 ? rest * 100 + digit : rest * 10 + digit) % 97
  }
  return rest === 1
}
