package wallet

import (
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

func textNotAnnounced(day string) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("%s の精算は、銀行からまだ通知されていません。", day),
		EN: fmt.Sprintf("The bank has not announced a settlement of %s.", day),
	}
}

func textArrived(s Settlement) fault.Text {
	if s.RecordedBy == "" {
		return fault.Text{
			JA: fmt.Sprintf("%s は差引0円のため、記録する入金はありません。", s.Day),
			EN: fmt.Sprintf("%s nets to ¥0: there is nothing to record.", s.Day),
		}
	}
	return fault.Text{
		JA: fmt.Sprintf("%s の入金は、%s さんが記録済みです。", s.Day, s.RecordedBy),
		EN: fmt.Sprintf("The arrival of %s was recorded before, by %s.", s.Day, s.RecordedBy),
	}
}

func textWrongAmount(s Settlement) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("%s の精算額は %s です。金額が違う場合は、記録せずに銀行へ確認してください。", s.Day, s.Amount()),
		EN: fmt.Sprintf("The settlement of %s is ¥%s. If another amount has moved, record nothing and ask the bank.", s.Day, s.Amount().Digits()),
	}
}

func textPaidPastCap(most money.Yen) fault.Text {
	return fault.Text{
		JA: fmt.Sprintf("銀行に対する未収金が上限（%s）を超えます。先に他の日の入金を記録してください。", most),
		EN: fmt.Sprintf("The bank would owe more than its cap (¥%s). Record the arrivals of other days first.", most.Digits()),
	}
}
